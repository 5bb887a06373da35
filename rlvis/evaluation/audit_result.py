"""What an audit found: its numbers by name, as a page, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Self

import numpy as np

from rlvis.display.page import Page
from rlvis.errors import unknown
from rlvis.evaluation.audit_files import with_numbers
from rlvis.evaluation.audit_numbers import numbers_of, requirement, told_number
from rlvis.evaluation.audit_page import draw_audit
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.findings import Findings
from rlvis.evaluation.sentences import headlines, left_out
from rlvis.files import writing
from rlvis.results import Result, Table

_JSON = {".json": "json"}


@dataclass(frozen=True, repr=False)
class Audit(Findings, Result):
    """What an audit found; see `Findings` for its attributes."""

    @property
    def summary(self) -> str:
        """Of what."""
        return f"{self.policy} in {self.environment}"

    def timed(self, seconds: float) -> Self:
        """The same, with how long it took."""
        return replace(self, seconds=seconds)

    def page(self) -> Page:
        """What moves it, which maps can be believed, what mattered, what it goes by."""
        return draw_audit(self)

    def html(self, *view: Any, **options: Any) -> str:
        """The page as an HTML document in one file, which carries the numbers, too."""
        return with_numbers(super().html(*view, **options), self.plain())

    def text(self) -> str:
        """The same in a few lines, and a verdict on every method."""
        words = {name: f"{each.word}: {each.reason}" for name, each in self.verdicts.items()}
        width = max(map(len, words), default=0)
        verdicts = [f"  {name:{width}}  {each}" for name, each in words.items()]
        told = [each for each in self.cues if each.lost.count or not each.matters]
        cues = [f"  {each.factor}: {each.verdict}" for each in told]
        silent = [f"Left out: {each}" for each in left_out(self)]
        return "\n".join([*headlines(self), *verdicts, *cues, *silent])

    def plain(self) -> dict[str, Any]:
        """All its numbers as JSON has them, each with its interval."""
        return {
            "policy": self.policy,
            "fingerprint": self.fingerprint,
            "environment": self.environment,
            "actions": list(self.actions),
            "frames": self.frames,
            "episodes": self.episodes,
            "seconds": self.seconds,
            "success": self.success.plain(),
            "effects": {each.name: each.plain() for each in self.effects},
            "targets": list(self.targets),
            "parts": self.parts,
            "methods": {each.method: each.plain() for each in self.methods},
            "verdicts": {
                name: {"verdict": each.word, "reason": each.reason}
                for name, each in self.verdicts.items()
            },
            "decisions": self.decisions.plain() if self.decisions else None,
            "turned_by": {name: each.plain() for name, each in self.turned.items()},
            "counterfactuals": [each.sentence for each, _, _ in self.counterfactuals],
            "cues": {each.factor: each.plain() for each in self.cues},
            "constant": list(self.constant),
            "windows": self.windows.plain(),
            "left_out": list(self.left_out),
        }

    def table(self) -> Table:
        """A row for each method and target."""
        rows = [(each, target) for each in self.methods for target in each.targets]
        columns: dict[str, list[Any]] = {
            "method": [each.method for each, _ in rows],
            "baseline": [each.baseline for each, _ in rows],
            "target": [target for _, target in rows],
        }
        for score in ("causal", "largest_first", "single_deletion"):
            found = [getattr(each.of(target), score) for each, target in rows]
            columns |= _columns(score, found)
            columns[f"{score} null"] = [each.of(target).null(score) for each, target in rows]
        for score in ("empty", "pointing", "mass", "rank", "auc"):
            columns |= _columns(score, [getattr(each.of(target), score) for each, target in rows])
        return columns

    def arrays(self) -> dict[str, np.ndarray]:
        """The table's columns, the effects, and the true values where there are some."""
        found = {f"methods/{name}": np.array(column) for name, column in self.table().items()}
        for measure in ("divergence", "flips", "value"):
            estimates = [getattr(each, measure) for each in self.effects]
            for name, column in _columns(measure, estimates).items():
                found[f"effects/{name}"] = np.array(column)
        found["effects/name"] = np.array([each.name for each in self.effects])
        if self.decisions is not None:
            true = self.decisions.true
            found |= {
                "decisions/q": true.values,
                "decisions/low": true.low,
                "decisions/high": true.high,
                "decisions/critic": self.decisions.critic,
            }
        return found

    def save(self, path: str | Path, *view: Any, **options: Any) -> Path:
        """Write the page (.png, .html, .pdf), the table (.csv), arrays (.npz) or all (.json).

        Raises:
            InputError: if the ending is none of these, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".json":
            return super().save(path, *view, **options)
        with writing(path, _JSON) as (temporary, _):
            temporary.write_text(json.dumps(self.plain(), indent=1, allow_nan=False) + "\n")
        return path

    def number(self, name: str) -> float:
        """A number by its name.

        "success", "shortcuts" (how many, NaN if none could be tested), "regret", "mistakes";
        "occlusion.causal", with another target "occlusion.value.causal"; "marker_removed.kl",
        ".flips"; "floor.lost". With ".low" or ".high" the end of its interval.

        Raises:
            InputError: if there is none of that name.
        """
        known = numbers_of(self)
        if name not in known:
            raise unknown("number", name, known)
        return known[name]

    def unmet(self, requirements: Sequence[str]) -> list[str]:
        """The requirements that do not hold, with what was found; none hold of what is unknown.

        Args:
            requirements: such as "occlusion.causal >= 0.9".

        Raises:
            InputError: if one cannot be read, or names nothing that was found.
        """
        found = []
        for text in requirements:
            condition = requirement(text)
            number = self.number(condition.name)
            if not (isfinite(number) and condition.compare(number)):
                told = told_number(self, condition.name)
                found.append(f"{text} does not hold: it is {told}")
        return found


def _columns(name: str, estimates: Sequence[Estimate]) -> dict[str, list[Any]]:
    return {
        name: [each.value for each in estimates],
        f"{name} low": [each.low for each in estimates],
        f"{name} high": [each.high for each in estimates],
    }
