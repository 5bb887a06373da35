"""The command `rlvis inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.playing import EnvSource, RecordedPolicy
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.inspector.live_source import LiveSource
    from rlvis.inspector.recorded_source import RecordedSource


def command(
    recording: Positional[Path | None] = None,
    live: bool = False,
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
) -> None:
    """Look into a network in the browser: a recording, or a policy in its world as it runs.

    Scrub a recording, explain any step by any method, find moments, look into layers and units,
    hold a unit at a value, take another action and see what comes of it. With --live the world
    runs here: let the policy act or act yourself, drag what stands there and watch. Nothing leaves
    this machine.

    Args:
        recording: the folder of a recording.
        live: run a policy in its environment in place of a recording.
        source: the policy: of the recording, or the one that acts (cube-reach when left out).
        env: of --live.
        host: the address to listen on; on any but this machine's own a token is asked for.
        port: 0 for 7531, or the next that is free.
        browser: open the page; --no-browser only prints its address.
    """
    from rlvis.inspector.serving import check_installed, serve

    check_installed()
    if live == (recording is not None):
        raise InputError("name the folder of a recording, or say --live")
    if recording is None:
        shown: Any = _live(source, env)
        from rlvis.inspector.live_routes import live_routes as routes
    else:
        shown = _recorded(recording, source, host)
        from rlvis.inspector.recorded_routes import recorded_routes as routes
    from rlvis.inspector.app import build_app

    serve(lambda: build_app(shown, routes), host, port, browser=browser)


def _live(source: RecordedPolicy, env: EnvSource) -> "LiveSource":
    """A policy in its world."""
    from dataclasses import fields

    from rlvis.cli.playing import PolicySource
    from rlvis.inspector.live_source import LiveSource

    given = {each.name: getattr(source, each.name) for each in fields(source)}
    given["model"] = given["model"] or PolicySource.model
    policy = PolicySource(**given).load_policy()
    return LiveSource(policy, env.of(policy))


def _recorded(path: Path, source: RecordedPolicy, host: str) -> "RecordedSource":
    """A recording, with its policy where that is at hand."""
    import warnings

    from rlvis.errors import Notice
    from rlvis.inspector.recorded_source import RecordedSource
    from rlvis.inspector.security import is_loopback
    from rlvis.rollouts.recording import Recording

    opened = Recording.open(path)
    opened.numbers(0)
    try:
        policy = source.of(opened)
    except InputError as error:
        if source.model is not None:
            raise
        warnings.warn(f"only what was recorded is shown: {error}", Notice, stacklevel=1)
        policy = None
    return RecordedSource(opened, policy, files=is_loopback(host))
