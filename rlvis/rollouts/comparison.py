"""Two policies compared: on the same frames, or each on its own way from the same seeds.

Where they first part is the step that says most; the difference of π and of the maps says why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.display.page import Page
from rlvis.errors import InputError
from rlvis.models.policy import Policy
from rlvis.results import Result, Table
from rlvis.rollouts.compared_moments import comparison_film, comparison_page
from rlvis.rollouts.compatibility import require_same_actions
from rlvis.rollouts.pairs import Pair, asked, different_moments, of_one_seed

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Two policies on the same episodes.

    Attributes:
        recording: of the first policy.
        names: of the two.
        pairs: the episodes.
        same_frames: whether the second was asked about the first one's frames; else each went its
            own way from the same seed.
        policies: the two, for maps; None where one is not at hand.
    """

    recording: "RecordedEpisodes"
    names: tuple[str, str]
    pairs: Sequence[Pair]
    same_frames: bool
    policies: tuple[Policy, Policy] | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    @property
    def agreement(self) -> float:
        """The share of the steps seen by both in which they prefer the same action."""
        return float(np.concatenate([pair.same_preference for pair in self.pairs]).mean())

    def moments(self, most: int = 6) -> list[tuple[Pair, int]]:
        """Pairs and the steps at which they differ much, the widest first, then unlike ones."""
        return different_moments(self.pairs, most)

    @property
    def summary(self) -> str:
        """Who, and in how many episodes."""
        return f"{self.names[0]} and {self.names[1]} in {len(self)} episodes"

    @property
    def findings(self) -> str:
        """Who, how often they agree, and in how many episodes they part."""
        parted = sum(pair.parting is not None for pair in self.pairs)
        steps = sum(pair.shared for pair in self.pairs)
        where = "on the same frames" if self.same_frames else "from the same seeds"
        return (
            f"{self.names[0]} and {self.names[1]} {where}: the same preference in "
            f"{self.agreement:.1%} of {steps} steps that both saw; they part in {parted} of "
            f"{len(self)} episodes"
        )

    def table(self) -> Table:
        """A row for each episode.

        Columns: episode, seed, parts (the first step at which the preferences differ, −1 for
        none), widest (the step at which π differs most), divergence (there, in bits), agreement
        (share of the steps seen by both), and outcome, return and steps of each policy, those of
        the second only where it went its own way.
        """
        rows: list[dict[str, Any]] = []
        for pair in self.pairs:
            row: dict[str, Any] = {
                "episode": pair.number,
                "seed": pair.first.seed,
                "parts": -1 if pair.parting is None else pair.parting,
                "widest": pair.widest,
                "divergence": float(pair.divergence[pair.widest]),
                "agreement": float(pair.same_preference.mean()),
            }
            sides = [pair.first] if self.same_frames else [pair.first, pair.second]
            for place, side in enumerate(sides, start=1):
                row[f"outcome {place}"] = side.outcome
                row[f"return {place}"] = side.total_reward
                row[f"steps {place}"] = len(side)
            rows.append(row)
        return {name: [row[name] for row in rows] for name in rows[0]}

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns of `table`."""
        return {name: np.array(column) for name, column in self.table().items()}

    def page(self, most: int = 6) -> Page:
        """Where the two differ most, in so many episodes: what was seen, π and maps of both."""
        return comparison_page(
            self.findings,
            self.names,
            self.recording.header,
            self.moments(most),
            self.same_frames,
            self.policies,
        )

    def save(self, path: str | Path, *view: Any, **options: Any) -> Path:
        """Write the film of both side by side (.mp4, .gif), or as every result."""
        from rlvis.display.video_file import FILM_KINDS

        if Path(path).suffix.lower() in FILM_KINDS:
            return self._film(path, *view, **options)
        return super().save(path, *view, **options)

    def _film(self, path: str | Path, *, most: int = 6, **options: Any) -> Path:
        return comparison_film(
            self.names,
            self.recording.header,
            [pair for pair, _ in self.moments(most)],
            self.same_frames,
            self.policies,
            path,
            **options,
        )


def compare(
    recording: "RecordedEpisodes",
    other: "Policy | RecordedEpisodes",
    *,
    policy: Policy | None = None,
    other_policy: Policy | None = None,
    episodes: Sequence[int] | None = None,
) -> Comparison:
    """Compare the policy of a recording with another one.

    Args:
        recording: of the first policy.
        other: a policy, which is asked about the same frames; or a recording of one, of which the
            episodes of the same seeds are compared.
        policy: the first one, for maps.
        other_policy: the second one, for maps, where `other` is a recording.
        episodes: numbers in the first recording; all that are whole when left out.

    Raises:
        InputError: if the two see other images, have other actions, or share no seed.
    """
    numbers = recording.readable() if episodes is None else list(episodes)
    if isinstance(other, Policy):
        require_same_actions(recording.header.actions, other.name, other.labels, other.distribution)
        pairs = [asked(other, recording, number) for number in numbers]
        names = _told_apart(recording.header.policy, other.name)
        second: Policy | None = other
    else:
        theirs = other.header
        require_same_actions(
            recording.header.actions, theirs.policy, theirs.actions, theirs.distribution
        )
        if theirs.environment != recording.header.environment:
            raise InputError(
                f"one recording is of {recording.header.environment}, the other of "
                f"{other.header.environment}; compare policies in one environment"
            )
        pairs = of_one_seed(recording, other, numbers)
        names = _told_apart(recording.header.policy, other.header.policy)
        second = other_policy
    both = (policy, second) if policy is not None and second is not None else None
    return Comparison(recording, names, pairs, isinstance(other, Policy), both)


def _told_apart(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first != second else (f"{first} (1)", f"{second} (2)")
