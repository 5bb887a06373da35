"""A recording as the inspector asks for it: numbers, frames, views and maps of runs of steps."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rlvis.attribution.layer_table import list_layers
from rlvis.attribution.registry import METHODS
from rlvis.display.theme import label_colour
from rlvis.errors import InputError
from rlvis.images.frames import picture_of
from rlvis.models.policy import Policy
from rlvis.rollouts.episode import taken_of
from rlvis.rollouts.episode_table import EpisodeTable
from rlvis.rollouts.moments import KINDS, find_moments
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.signals import signals_of

MOST_STEPS = 256
"""Of one answer."""

_SIGNALS = ("margin", "entropy", "surprise", "advantage", "greedy")


class RecordedSource:
    """What the inspector shows of a recording.

    Args:
        recording: it.
        policy: the recorded one, None where it is not at hand: what was recorded is shown alone.
    """

    def __init__(self, recording: Recording, policy: Policy | None) -> None:
        self.recording, self.policy = recording, policy

    def info(self) -> dict[str, Any]:
        """Who acts, where, and what can be asked."""
        header, first = self.recording.header, self.recording.observations(0, slice(1))[0]
        recorded = [each.name for each in header.methods]
        names = list(METHODS) if self.policy is not None else recorded
        return {
            "kind": "recording",
            "title": self.recording.summary,
            "environment": header.environment,
            "policy": header.policy,
            "fingerprint": header.fingerprint,
            "actions": colours_of(header.actions),
            "methods": [
                {
                    "name": name,
                    "recorded": name in recorded,
                    "layer": METHODS[name].reads_layer if name in METHODS else True,
                    "signed": METHODS[name].signed if name in METHODS else True,
                }
                for name in dict.fromkeys([*recorded, *names])
            ],
            "layers": self._layers(first),
            "targets": ["chosen", *header.actions, "margin", "entropy", "value"],
            "episodes": len(self.recording),
            "frame": list(picture_of(first, header.frames).shape),
            "states": bool(header.states),
            "can_explain": self.policy is not None,
        }

    def episodes(self) -> dict[str, Any]:
        """The table of the episodes, column by column."""
        return dict(self._table().columns)

    def moments(self, most: int) -> list[dict[str, Any]]:
        """The moments that matter."""
        found = find_moments(self.recording, most, kinds=KINDS[:-1])
        names = ("episode", "step", "kind", "strength", "reason")
        return [{name: getattr(each, name) for name in names} for each in found]

    def episode(self, number: int) -> tuple[Mapping[str, np.ndarray], dict[str, Any]]:
        """The numbers of an episode, and how it went."""
        numbers = self.recording.numbers(number)
        signals = signals_of(numbers)
        taken = taken_of(self.recording.header.distribution, numbers.actions)
        arrays = {
            "probability": numbers.probabilities,
            "logit": numbers.logits,
            "value": numbers.values,
            "reward": numbers.rewards,
            **{name: getattr(signals, name) for name in _SIGNALS},
        }
        if taken is not None:
            arrays["taken"] = taken
        facts = {
            "episode": number,
            "seed": numbers.seed,
            "steps": len(numbers),
            "outcome": numbers.outcome,
            "success": numbers.success,
            "return": numbers.total_reward,
        }
        return arrays, facts

    def frames(self, number: int, steps: slice) -> np.ndarray:
        """What was seen, uint8 (n, H, W, 3)."""
        stack = self.recording.header.frames
        seen = self.recording.observations(number, self._bounded(number, steps))
        return np.stack([picture_of(each, stack) for each in seen])

    def views(self, number: int, steps: slice) -> np.ndarray | None:
        """The environment's own view, uint8 (n, h, w, 3)."""
        return self.recording.renders(number, self._bounded(number, steps))

    def maps(
        self, number: int, steps: slice, method: str, targets: Sequence[str], layer: str | None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Maps of steps at their own resolution, float32 (n, T, h, w), and what they are."""
        found = self.recording.explained(
            number,
            self._bounded(number, steps),
            [method],
            list(targets) or None,
            layer=layer,
            policy=self.policy,
        )
        why = next(iter(found.values()))
        facts = {
            "method": why.method,
            "signed": why.signed,
            "layer": why.layer,
            "targets": why.targets,
            "scores": why.scores,
            "notes": why.notes,
            "window": why.window.__dict__ if why.window else None,
        }
        return why.maps, facts

    def _bounded(self, number: int, steps: slice) -> slice:
        if not 0 < (steps.stop or 0) - (steps.start or 0) <= MOST_STEPS:
            raise InputError(f"ask for 1 to {MOST_STEPS} steps at once")
        self.recording.check_step(number, steps.start)
        return steps

    @lru_cache(maxsize=1)  # noqa: B019 - a source lives as long as its server
    def _table(self) -> EpisodeTable:
        return EpisodeTable.of(self.recording)

    def _layers(self, image: np.ndarray) -> list[dict[str, Any]]:
        if self.policy is None:
            return []
        found = list_layers(self.policy, image)
        return [{"name": each.name, "shape": list(each.shape)} for each in found]


def colours_of(actions: Sequence[str]) -> list[dict[str, str]]:
    """The names of actions and their colours as browsers write them."""
    return [
        {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*label_colour(place))}
        for place, name in enumerate(actions)
    ]
