"""A recording as one page that opens from disk: frames, views, numbers and maps in the file."""

import gzip
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.attribution.engine import Methods, choose_methods
from rlvis.errors import InputError
from rlvis.evaluation.audit_files import read_audit
from rlvis.files import check_writable, writing
from rlvis.inspector.audited import told_of
from rlvis.inspector.choices import described
from rlvis.inspector.page import standalone
from rlvis.inspector.recorded_source import MOST_STEPS, RecordedSource
from rlvis.inspector.wire import pack, plain
from rlvis.models.policy import Policy
from rlvis.rollouts.recording import Recording

_KINDS = {".html": "html"}
_MOMENTS = 20
_QUALITY = 70


def to_html(
    recording: Recording,
    path: str | Path,
    *,
    methods: Methods | None = None,
    episodes: Sequence[int] | None = None,
    policy: Policy | None = None,
    bookmarks: Sequence[Mapping[str, Any]] = (),
    audit: str | Path | None = None,
) -> Path:
    """Write the inspector's page of a recording as one file that needs no server.

    Args:
        recording: the recording.
        path: ends in .html.
        methods: whose maps of every action are in it; those recorded when left out.
        episodes: numbers of those in it; all that are whole when left out.
        policy: the recorded one, for maps that were not recorded; found where it was loaded from
            when left out.
        bookmarks: "episode", "step" and "note" of each moment that the page marks.
        audit: the file (.html) that an `Audit` of the policy was saved to: its page is part of this
            one, and its verdicts stand beside the maps; of a .json the verdicts alone.

    Raises:
        InputError: if there is no such episode or method, maps are to be made and the policy is not
            at hand, a bookmark is written otherwise, the audit is none or of another policy, or the
            file cannot be written.
    """
    check_html(path)
    names = None if methods is None else [str(each) for each in choose_methods(methods, None)[0]]
    is_recorded = names is None or recording.recorded_methods(names) is not None
    asked = None if is_recorded else recording.policy(policy)
    source = RecordedSource(recording, asked, audit=None if audit is None else read_audit(audit))
    page = page_of(source, names or (), episodes or (), bookmarks)
    with writing(Path(path), _KINDS) as (temporary, _):
        Path(temporary).write_text(page, "utf-8")
    return Path(path)


def page_of(
    source: RecordedSource,
    methods: Sequence[str] = (),
    episodes: Sequence[int] = (),
    bookmarks: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The inspector's page of a recording as one file; see `to_html`.

    Args:
        source: the recording, with its policy where maps are to be made.
        methods: those recorded where there are none.
        episodes: all that are whole where there are none.
        bookmarks: those of other episodes are left out.
    """
    recording = source.recording
    names = list(methods) or [each.name for each in recording.header.methods]
    numbers = list(episodes) or recording.readable()
    marked = [_bookmark(each) for each in bookmarks]
    packs: dict[str, str] = {}
    pictures: dict[str, list[str]] = {}
    for number in numbers:
        packs[f"episode/{number}"] = _packed(pack(*source.episode(number)))
        for name in names:
            packs[f"maps/{number}/{name}"] = _packed(pack(*_maps(source, number, name)))
        pictures |= _pictures(source, number)
    info = {
        **source.info(),
        **told_of(source.audit, [{**described(name), "recorded": True} for name in names]),
        "layers": [],
        "states": False,
        "can_explain": False,
        "file": True,
    }
    shown = {
        "info": info,
        "episodes": _some_rows(source.episodes(), numbers),
        "moments": [each for each in source.moments(_MOMENTS) if each["episode"] in numbers],
        "bookmarks": [each for each in marked if each["episode"] in numbers],
        "packs": packs,
        "pictures": pictures,
        "audit": source.audit.page if source.audit else "",
    }
    return standalone(plain(shown))


def check_html(path: str | Path) -> None:
    """Whether `to_html` can write there.

    Raises:
        InputError: if not.
    """
    check_writable(path, _KINDS)


def _maps(
    source: RecordedSource, number: int, method: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The maps of a whole episode, of every action and of why the one taken."""
    header, steps = source.recording.header, source.recording.steps([number])
    targets = [*header.actions, "chosen"] if header.targets else []
    parts = [
        source.maps(number, slice(start, min(start + MOST_STEPS, steps)), method, targets, None)
        for start in range(0, steps, MOST_STEPS)
    ]
    maps = np.concatenate([arrays["maps"] for arrays, _ in parts])
    scale = np.concatenate([arrays["scale"] for arrays, _ in parts])
    facts: dict[str, Any] = dict(parts[0][1])
    for name in ("targets", "scores", "notes"):
        facts[name] = [row for _, each in parts for row in each[name]]
    asked = [*header.actions, "chosen"][: maps.shape[1]]
    return {"maps": maps, "scale": scale}, {**facts, "asked": asked}


def _bookmark(given: Mapping[str, Any]) -> dict[str, Any]:
    """A bookmark, known to be one.

    Raises:
        InputError: if it is none.
    """
    episode, step, note = (given.get(name) for name in ("episode", "step", "note"))
    if not (type(episode) is int and type(step) is int and isinstance(note or "", str)):
        raise InputError("a bookmark is an episode, a step and perhaps a note")
    return {"episode": episode, "step": step, "note": note or ""}


def _pictures(source: RecordedSource, number: int) -> dict[str, list[str]]:
    """The frames and the environment's views of an episode, as a browser decodes them."""
    steps = source.recording.steps([number])
    found: dict[str, list[str]] = {f"frames/{number}": [], f"views/{number}": []}
    for start in range(0, steps, MOST_STEPS):
        part = slice(start, min(start + MOST_STEPS, steps))
        found[f"frames/{number}"] += [_webp(each) for each in source.frames(number, part)]
        views = source.views(number, part)
        if views is not None:
            found[f"views/{number}"] += [_webp(each, _QUALITY) for each in views]
    return {name: each for name, each in found.items() if each}


def _webp(picture: np.ndarray, quality: int | None = None) -> str:
    """A picture as WebP in base64, lossless where no quality is given."""
    buffer = BytesIO()
    options: dict[str, Any] = {"lossless": True} if quality is None else {"quality": quality}
    Image.fromarray(picture).save(buffer, "WEBP", **options)
    return b64encode(buffer.getvalue()).decode()


def _packed(content: bytes) -> str:
    return b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _some_rows(table: dict[str, Any], numbers: Sequence[int]) -> dict[str, list[Any]]:
    """The rows of a table of these episodes."""
    kept = [place for place, number in enumerate(table["episode"]) if number in numbers]
    return {name: [column[place] for place in kept] for name, column in table.items()}
