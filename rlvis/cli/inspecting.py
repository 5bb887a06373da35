"""The command `rlvis inspect`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.playing import EnvSource, PolicySource, RecordedPolicy
from rlvis.errors import InputError
from rlvis.processor import limit_threads

if TYPE_CHECKING:
    from rlvis.evaluation.audit_files import AuditFile


def command(
    recording: Positional[Path | None] = None,
    live: bool = False,
    model: str | None = None,
    photos: Annotated[UseAppendAction[tuple[Path, ...]], arg(name="photo")] = (),
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    audit: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
) -> None:
    """Look into a network in the browser: a recording, or a policy in its world as it runs.

    Scrub a recording, explain any step by any method, find moments, look into layers and units,
    hold a unit at a value, take another action and see what comes of it. With --live the world
    runs here: let the policy act or act yourself, drag what stands there and watch. With --model a
    classifier is asked about photos. Nothing leaves this machine.

    Args:
        recording: the folder of a recording.
        live: run a policy in its environment in place of a recording.
        model: look into a classifier instead, by name or file as for rlvis explain.
        photos: with --model a photo to begin with; repeat for several. Others are dropped there.
        source: the policy: of the recording, or the one that acts (cube-reach when left out).
        env: of --live.
        audit: an audit of the same network (.html of rlvis audit): its page is among the views, and
            its verdicts stand beside the maps. Of a .json the verdicts alone.
        host: the address to listen on; on any but this machine's own a token is asked for.
        port: 0 for 7531, or the next that is free.
        browser: open the page; --no-browser only prints its address.
    """
    from rlvis.inspector.serving import check_installed, serve

    if (recording is not None) + live + (model is not None) != 1:
        raise InputError("name the folder of a recording, or say --live, or --model NAME")
    if photos and model is None:
        raise InputError("--photo goes with --model; name the classifier")
    check_installed()
    if model is not None:
        open_app = partial(_photos, replace(source, model=model), photos, audit)
    elif recording is None:
        acting = replace(source, model=source.model or PolicySource.model)
        open_app = partial(_live, acting, env, audit)
    else:
        _check_folder(recording)
        open_app = partial(_recorded, recording, source, host, audit)
    serve(open_app, host, port, browser=browser)


def _check_folder(path: Path) -> None:
    """Refuse what cannot be a recording before a page is opened."""
    from rlvis.rollouts.store import METADATA

    if not (path / METADATA).is_file():
        raise InputError(f"{path} is no recording; make one with: rlvis record --out {path}")


def _read(audit: Path | None) -> "AuditFile | None":
    from rlvis.evaluation.audit_files import read_audit

    return None if audit is None else read_audit(audit)


def _photos(source: RecordedPolicy, photos: Sequence[Path], audit: Path | None) -> Any:
    """A classifier."""
    from rlvis.inspector.app import build_app
    from rlvis.inspector.photo_source import PhotoSource, photo_routes

    return build_app(PhotoSource(source.load(), photos, audit=_read(audit)), photo_routes)


def _live(source: RecordedPolicy, env: EnvSource, audit: Path | None) -> Any:
    """A policy in its world."""
    from rlvis.inspector.app import build_app
    from rlvis.inspector.live_line import live_routes
    from rlvis.inspector.live_source import LiveSource

    limit_threads(1)
    policy = source.load_policy()
    return build_app(LiveSource(policy, env.of(policy), audit=_read(audit)), live_routes)


def _recorded(path: Path, source: RecordedPolicy, host: str, audit: Path | None) -> Any:
    """A recording, with its policy where that is at hand."""
    import warnings

    from rlvis.errors import Notice
    from rlvis.inspector.app import build_app
    from rlvis.inspector.recorded_questions import recorded_routes
    from rlvis.inspector.recorded_source import RecordedSource
    from rlvis.inspector.security import is_loopback
    from rlvis.rollouts.recording import Recording

    limit_threads(1)
    opened = Recording.open(path)
    opened.numbers(0)
    try:
        policy = source.of(opened)
    except InputError as error:
        if source.model is not None:
            raise
        warnings.warn(f"only what was recorded is shown: {error}", Notice, stacklevel=1)
        policy = None
    shown = RecordedSource(opened, policy, files=is_loopback(host), audit=_read(audit))
    return build_app(shown, recorded_routes)
