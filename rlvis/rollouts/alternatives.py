"""What if: a recorded moment once more, another action taken there, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.display.page import Page
from rlvis.errors import unknown
from rlvis.models.distributions import Greedy
from rlvis.models.policy import Policy
from rlvis.options import MANY, check_whole
from rlvis.results import Result, Table
from rlvis.rollouts.alternatives_page import what_if_page
from rlvis.rollouts.branches import BranchPoint, Futures, play_branches, rest_of
from rlvis.rollouts.compatibility import require_same_actions
from rlvis.rollouts.episode import Episode

if TYPE_CHECKING:
    from rlvis.rollouts.revisited import RevisitedEpisodes


@dataclass(frozen=True, repr=False)
class WhatIf(Result):
    """The futures of a moment, by the action taken there.

    Attributes:
        recording: the moment is of.
        episode: its number.
        step: in the episode.
        futures: for each action that was tried; the one that was taken first.
        brought_by: how the environment was brought to the moment: "state" or "replay".
    """

    recording: "RevisitedEpisodes"
    episode: int
    step: int
    futures: Sequence[Futures]
    brought_by: str

    @cached_property
    def recorded(self) -> Episode:
        """The episode as it went on in the recording, from the moment."""
        return rest_of(self.recording.episode(self.episode), self.step)

    @property
    def summary(self) -> str:
        """Which moment, and what was tried there."""
        tried = ", ".join(each.title for each in self.futures)
        return f"episode {self.episode}, step {self.step}: {tried}"

    def table(self) -> Table:
        """A row for each future."""
        rows = [
            (each.action, number, its.outcome, its.total_reward, len(its))
            for each in self.futures
            for number, its in enumerate(each.episodes)
        ]
        names = ("action", "future", "outcome", "return", "steps")
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns of `table`."""
        return {name: np.array(column) for name, column in self.table().items()}

    def page(self) -> Page:
        """The moment, and its futures as the environment shows them."""
        header, where = self.recording.header, (self.episode, self.step)
        return what_if_page(header, where, self.recorded, self.futures, self.brought_by)

    def save(self, path: str | Path, *view: Any, **options: Any) -> Path:
        """Write the film of two futures side by side (.mp4, .gif), or as every result."""
        from rlvis.display.video_file import FILM_KINDS

        if Path(path).suffix.lower() in FILM_KINDS:
            from rlvis.rollouts.film.side_by_side import futures_film

            header, where = self.recording.header, (self.episode, self.step)
            return futures_film(header, where, self.futures, path, *view, **options)
        return super().save(path, *view, **options)


def what_if(
    recording: "RevisitedEpisodes",
    policy: Policy,
    episode: int,
    step: int,
    actions: Sequence[str] = (),
    *,
    futures: int = 8,
    deterministic: bool = False,
    max_steps: int = 1000,
) -> WhatIf:
    """Take other actions at a recorded moment and let the policy go on from there.

    Args:
        recording: the moment is of.
        policy: goes on; the recorded one, or another of the same actions.
        episode: its number.
        step: in the episode.
        actions: by name; every one when left out. The one that was taken is always tried, too.
        futures: of each action; a single one where nothing is sampled. Chance in the environment
            is the same in all of them.
        deterministic: take the most probable action instead of sampling one.
        max_steps: where a future is stopped if it has not ended.

    Raises:
        InputError: if there is no such moment or action, actions are no choice of one of several,
            or the environment cannot be brought to the moment; the message says what it needs.
    """
    check_whole("futures", futures, 1, MANY)
    check_whole("max_steps", max_steps, 1, MANY)
    names = recording.header.actions
    require_same_actions(names, policy.name, policy.labels, policy.distribution)
    moment = BranchPoint(recording, policy, episode, step)
    tried = list(dict.fromkeys([moment.taken, *(_index(each, names) for each in actions)]))
    if not actions:
        tried += [each for each in range(len(names)) if each != moment.taken]
    sampled = not (deterministic or isinstance(policy.distribution, Greedy))
    count = futures if sampled else 1
    played = play_branches(
        moment,
        [(action, number) for action in tried for number in range(count)],
        deterministic=not sampled,
        max_steps=max_steps,
    )
    found = [
        Futures(
            names[action],
            action == moment.taken,
            played[place * count : (place + 1) * count],
        )
        for place, action in enumerate(tried)
    ]
    return WhatIf(recording, episode, step, found, moment.brought_by)


def _index(action: str, names: Sequence[str]) -> int:
    """The number of an action by its name."""
    if action not in names:
        raise unknown("action", action, names)
    return list(names).index(action)
