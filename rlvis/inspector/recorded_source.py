"""A recording as the inspector asks for it: numbers, frames, views and maps of runs of steps."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from rlvis.attribution.explanation import Explanation
from rlvis.errors import InputError
from rlvis.evaluation.audit_files import AuditFile
from rlvis.features.image_sets.image_set import RecordingImages
from rlvis.images.frames import picture_of
from rlvis.inspector.album import Place, Seen
from rlvis.inspector.audited import told_of
from rlvis.inspector.branching import context_of
from rlvis.inspector.choices import (
    bounded_by,
    colours_of,
    described,
    is_choice,
    layers_of,
    methods_of,
    targets_of,
)
from rlvis.inspector.maps import columns_of, map_arrays, map_facts
from rlvis.inspector.unit_networks import explain_unit, is_unit
from rlvis.models.policy import Policy
from rlvis.rollouts.episode import taken_of
from rlvis.rollouts.episode_table import EpisodeTable
from rlvis.rollouts.film.writing import frames_of
from rlvis.rollouts.moments import USUAL, NoMomentsError, find_moments
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.signals import signals_of

MOST_STEPS = 256
"""Of one answer."""

_SIGNALS = ("margin", "entropy", "surprise", "advantage", "greedy")

Pack = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


class RecordedSource:
    """What the inspector shows of a recording.

    Args:
        recording: it.
        policy: the recorded one, None where it is not at hand: what was recorded is shown alone.
        files: whether the page may name files of other policies, to be compared with.
        audit: of its policy.

    Raises:
        InputError: if the audit is of another policy.
    """

    draws = False

    def __init__(
        self,
        recording: Recording,
        policy: Policy | None,
        *,
        files: bool = True,
        audit: AuditFile | None = None,
    ) -> None:
        self.recording, self._policy, self.files = recording, policy, files
        self.audit = audit
        if audit is not None:
            audit.check_of(recording.header.policy, recording.header.fingerprint)

    @property
    def model(self) -> Policy:
        """The recorded policy.

        Raises:
            InputError: if it is not at hand.
        """
        if self._policy is None:
            raise InputError("the policy is not at hand; name it with --policy")
        return self._policy

    def info(self) -> dict[str, Any]:
        """Who acts, where, and what can be asked."""
        return self._info

    def warm_up(self) -> None:
        """Make the environment that draws views, where there is one."""
        self.views(0, slice(0, 1))

    @cached_property
    def _info(self) -> dict[str, Any]:
        header, first = self.recording.header, self.recording.observations(0, slice(1))[0]
        recorded = [each.name for each in header.methods]
        methods, layers = [described(name) for name in recorded], []
        targets = self._columns
        if self._policy is not None:
            context = context_of(self.recording, self._policy, 0, slice(1))
            methods += [
                each
                for each in methods_of(self._policy, first, context)
                if each["name"] not in recorded
            ]
            layers = layers_of(self._policy, first)
            has_value = bool(np.isfinite(self.recording.numbers(0).values).any())
            targets = targets_of(self._policy, has_value)
        return {
            "kind": "recording",
            "title": self.recording.summary,
            "environment": header.environment,
            "policy": header.policy,
            "fingerprint": header.fingerprint,
            "actions": colours_of(header.actions),
            **told_of(
                self.audit,
                [{**each, "recorded": each["name"] in recorded} for each in methods],
            ),
            "layers": layers,
            "targets": targets,
            "choice": is_choice(header.distribution),
            "bounded_by": bounded_by(header.distribution),
            "episodes": len(self.recording),
            "frame": list(picture_of(first, header.frames).shape),
            "states": bool(header.states) and not header.no_environment,
            "can_explain": self._policy is not None,
        }

    def episodes(self) -> dict[str, Any]:
        """The table of the episodes, column by column."""
        return dict(self._table.columns)

    def moments(self, most: int) -> list[dict[str, Any]]:
        """The moments that matter."""
        try:
            found = find_moments(self.recording, most, kinds=USUAL)
        except NoMomentsError:
            return []
        names = ("episode", "step", "kind", "strength", "reason")
        return [{name: getattr(each, name) for name in names} for each in found]

    def episode(self, number: int) -> Pack:
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
        if bounded_by(self.recording.header.distribution):
            arrays["entry"] = numbers.entries[0]
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
    ) -> Pack:
        """Maps of steps at their own resolution, and what they are.

        Args:
            number: of the episode.
            steps: which.
            method: by name.
            targets: as `rlvis.explain` takes them, or one "unit:layer:number"; the recording's own
                when empty.
            layer: for methods that read one.
        """
        steps = self._bounded(number, steps)
        if any(map(is_unit, targets)):
            images = self.recording.observations(number, steps)
            context = context_of(self.recording, self.model, number, steps)
            why = explain_unit(self.model, images, context, method, targets, layer)
        else:
            why = self._recorded(number, steps, method, targets, layer) or self._explained(
                number, steps, method, targets, layer
            )
        return map_arrays(why), {**map_facts(why), "start": steps.start}

    @property
    def _columns(self) -> list[str]:
        """What recorded maps explain."""
        header = self.recording.header
        return [*(header.targets or header.actions), *["chosen"] * header.contrast]

    def _recorded(
        self, number: int, steps: slice, method: str, targets: Sequence[str], layer: str | None
    ) -> Explanation | None:
        """Recorded maps of these targets, None where not all of them are there."""
        columns = self._columns
        if not set(targets) <= set(columns):
            return None
        if self.recording.recorded_methods([method], None, layer) is None:
            return None
        (why,) = self.recording.explained(number, steps, [method], layer=layer).values()
        return columns_of(why, [columns.index(each) for each in targets]) if targets else why

    def _explained(
        self, number: int, steps: slice, method: str, targets: Sequence[str], layer: str | None
    ) -> Explanation:
        """Maps made now."""
        asked, policy = list(targets) or None, self._policy
        (why,) = self.recording.explained(
            number, steps, [method], asked, layer=layer, policy=policy
        ).values()
        return why

    def still(self, number: int, step: int, methods: Sequence[str], target: str | None) -> bytes:
        """The film's frame of a step, a PNG."""
        self.recording.check_step(number, step)
        frames = frames_of(
            self.recording,
            number,
            methods=list(methods) or None,
            targets=target,
            policy=self._policy,
        )
        buffer = BytesIO()
        Image.fromarray(frames.draw(step)).save(buffer, "PNG")
        return buffer.getvalue()

    def seen(self, place: Place) -> Seen:
        """The image of an episode's step, and what the policy knew besides."""
        number, step = place
        self.recording.check_step(number, step)
        at = slice(step, step + 1)
        image = self.recording.observations(number, at)[0]
        return image, context_of(self.recording, self.model, number, at)

    def images(self) -> RecordingImages:
        """The frames of all episodes."""
        return self._images

    @cached_property
    def _images(self) -> RecordingImages:
        return RecordingImages(self.recording)

    def _bounded(self, number: int, steps: slice) -> slice:
        if not 0 < (steps.stop or 0) - (steps.start or 0) <= MOST_STEPS:
            raise InputError(f"ask for 1 to {MOST_STEPS} steps at once")
        self.recording.check_step(number, steps.start)
        return steps

    @cached_property
    def _table(self) -> EpisodeTable:
        return EpisodeTable.of(self.recording)
