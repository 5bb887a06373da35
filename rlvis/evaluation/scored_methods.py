"""The scores of methods, kept as they are made, so that a stopped audit can be gone on with."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rlvis.errors import InputError
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.map_scores import MapScores
from rlvis.evaluation.maps import LEVELS, MapAudit, MethodScores
from rlvis.evaluation.method_pool import score_methods
from rlvis.evaluation.parts import Parts
from rlvis.files import writing
from rlvis.interrupt import Stopped
from rlvis.progress import OnProgress, Progress

_KIND = {".json": "json"}
_OTHER: Mapping[str, str] = {
    "policy": "another policy",
    "quick": "another thoroughness (quick)",
    "maps": (
        "other moments: of another seed, number of frames or episodes, other weights, or other "
        "options of the world"
    ),
}
"""In words, by the setting that differs."""


class ScoredMethods:
    """The scores of methods so far.

    Args:
        settings: what another audit must have in common with this one to go on from its file.
        path: the file (.json); without one nothing is kept.
        resume: go on from it.

    Raises:
        InputError: if there is nothing to go on from, or the file holds another audit; without
            `resume`, if there is a file that this one would write over.
    """

    def __init__(self, settings: Mapping[str, Any], path: str | Path | None, resume: bool) -> None:
        if resume and path is None:
            raise InputError("to resume, name the file in which the unfinished audit is")
        self._settings, self._path = dict(settings), None if path is None else Path(path)
        self._known: dict[str, MethodScores] = {}
        if resume and self._path:
            self._known = _read(self._path, self._settings)
        elif self._path is not None and self._path.exists():
            raise InputError(_in_the_way(self._path))

    def of(
        self, names: Sequence[str], work: MapAudit, processes: int, report: OnProgress
    ) -> list[MethodScores]:
        """The scores of all these methods, those that are not known asked for."""
        names = list(dict.fromkeys(names))
        unknown = [name for name in names if name not in self._known]
        done = len(names) - len(unknown)
        report(Progress("explaining", done, len(names), "methods"))
        with closing(score_methods(work, unknown, processes)) as scored:
            for more, scores in enumerate(scored, done + 1):
                self._known[scores.method] = scores
                self._keep()
                report(Progress("explaining", more, len(names), "methods"))
        return [self._known[name] for name in names]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what there is where Ctrl-C ends the block.

        Raises:
            Stopped: then.
        """
        try:
            yield
        except KeyboardInterrupt:
            self._keep()
            raise Stopped(self._stopped) from None

    def remove(self) -> None:
        """Remove the file of an audit that is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _keep(self) -> None:
        if self._path is None or not self._known:
            return
        methods = {name: _plain(each) for name, each in self._known.items()}
        with writing(self._path, _KIND) as (temporary, _):
            temporary.write_text(json.dumps({"settings": self._settings, "methods": methods}))

    @property
    def _stopped(self) -> str:
        count, kept = len(self._known), ""
        if self._path and count:
            kept = f"; {self._path} keeps them, --resume (resume=True) goes on"
        return f"stopped with {count} method{'s' if count != 1 else ''} scored{kept}"


def digest_of(parts: Parts) -> str:
    """What maps are held against, in a few letters: other images, weights or worlds have others."""
    found = hashlib.sha256()
    for array in (parts.images, parts.masks, parts.places, parts.effects.round(5)):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def _in_the_way(path: Path) -> str:
    """What to do about a file that is there."""
    try:
        _kept(path)
    except InputError:
        return f"{path} is there and holds something else; remove it, or name another file (--out)"
    return (
        f"{path} keeps an unfinished audit; go on with it by --resume (resume=True), remove it, or "
        "name another file (--out)"
    )


def _plain(scores: MethodScores) -> dict[str, Any]:
    example = None if scores.example is None else np.asarray(scores.example, float).tolist()
    return {**scores.plain(), "example": example}


def _read(path: Path, settings: Mapping[str, Any]) -> dict[str, MethodScores]:
    before, found = _kept(path)
    for name, value in settings.items():
        if before.get(name) != value:
            raise InputError(
                f"{path} keeps an audit of {_OTHER[name]}; go on with what it was started with, "
                "remove it, or name another file (--out)"
            )
    return found


def _kept(path: Path) -> tuple[dict[str, Any], dict[str, MethodScores]]:
    """The settings of an unfinished audit, and its scores so far.

    Raises:
        InputError: if the file holds none.
    """
    try:
        kept = json.loads(path.read_text())
        found = {str(name): _scores(str(name), each) for name, each in kept["methods"].items()}
        return dict(kept["settings"]), found
    except OSError:
        raise InputError(f"{path} holds no unfinished audit; start without resume") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path} cannot be read as an unfinished audit; remove it and start without resume, or "
            "name another file (--out)"
        ) from None


def _scores(name: str, plain: Mapping[str, Any]) -> MethodScores:
    levels = plain["randomisation"]
    example = plain["example"]
    return MethodScores(
        name,
        bool(plain["baseline"]),
        {target: _map_scores(each) for target, each in plain["targets"].items()},
        Estimate.of(plain["deletion"]),
        Estimate.of(plain["insertion"]),
        dict(plain["refused"]),
        Estimate.of(plain["target_sensitivity"]),
        [Estimate.of(levels[f"{level:.0%}"]) for level in LEVELS if f"{level:.0%}" in levels],
        float(plain["seconds"]),
        None if example is None else np.array(example, np.float32),
    )


def _map_scores(plain: Mapping[str, Any]) -> MapScores:
    nulls = {name: float(each) for name, each in plain["nulls"].items()}
    estimates = {name: Estimate.of(each) for name, each in plain.items() if name != "nulls"}
    return MapScores(**estimates, nulls=nulls)


def refusals(methods: Sequence[MethodScores]) -> list[str]:
    """Why methods are left out altogether, a line each."""
    silent = [each for each in methods if not each.targets and each.refused]
    return [f"{each.method}: {next(iter(each.refused.values()))}" for each in silent]
