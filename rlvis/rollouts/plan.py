"""What is explained while recording: which methods, from which layer, of which targets."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanation
from rlvis.attribution.registry import Method, get_method
from rlvis.errors import InputError
from rlvis.instrument.layers import resolve_layer
from rlvis.models.distributions import Categorical
from rlvis.models.policy import Policy
from rlvis.models.targets import Target, TargetLike, as_targets, margin, score
from rlvis.models.targets import chosen as chosen_target
from rlvis.rollouts.episode import Episode, taken_of
from rlvis.rollouts.header import MethodRecord

if TYPE_CHECKING:
    from gymnasium import Env

Frames = Literal["sum", "last", "separate"]
"""Of stacked frames: maps over all of them together, over the latest only, or over each."""


@dataclass(frozen=True)
class ExplanationPlan:
    """What each episode of a policy is explained by.

    Attributes:
        policy: whose scores are explained.
        methods: the methods, one for each frame of a stack where asked for.
        layer: that methods read, None where none does.
        asked: the targets that were named.
        targets: those that are explained: every action where none was named.
        contrast: whether the last of them is the action taken less the best of the others.
    """

    policy: Policy
    methods: Sequence[Method]
    layer: str | None
    asked: Sequence[Target]
    targets: Sequence[Target]
    contrast: bool

    @classmethod
    def of(
        cls,
        policy: Policy,
        env: "Env",
        methods: Sequence[str | Method],
        targets: TargetLike | Sequence[TargetLike] | None,
        layer: str | None,
        frames: Frames,
    ) -> "ExplanationPlan":
        """The plan for a policy in an environment.

        Methods are tried on an observation drawn from the space, with every action possible: the
        environment that is to be played must not be reset for it, since some wrappers make a step
        of a second reset.

        Raises:
            InputError: if a method, target or layer does not exist, or would do nothing.
        """
        if frames not in get_args(Frames):
            choices = ", ".join(get_args(Frames))
            raise InputError(f"no way {frames!r} to show frames; choose {choices}")
        named = [get_method(each) for each in methods]
        asked = [] if targets in (None, (), []) else as_targets(targets, policy)
        contrast = not asked and _can_be_compared(policy)
        space = copy.deepcopy(env.observation_space)
        space.seed(0)
        image, entries = policy.observe(space.sample(), np.ones(len(policy.labels), bool))
        context = policy.context_of(1, {key: each[None] for key, each in entries.items()})
        usual = named or usual_methods(policy, image, context)
        if any(each.reads_layer for each in usual):
            possible = [margin() if each.name == "chosen" else each for each in asked]
            layer = resolve_layer(policy, policy.inputs(image[None]), layer, context, possible)
        elif layer is not None:
            raise InputError(
                f"{', '.join(map(str, usual))} read no layer; leave {layer!r} out, or name a "
                "method that does, such as grad-cam"
            )
        count = policy.frames or 1
        if frames != "sum" and count == 1:
            raise InputError(
                f"frames={frames} does nothing where no frames are stacked; leave it out"
            )
        by_frame = [part for each in usual for part in _by_frame(each, frames, count)]
        explained = asked or _every_action(policy, contrast)
        return cls(policy, by_frame, layer, asked, explained, contrast)

    def explain(self, episode: Episode) -> list[Explanation]:
        """Explanations of all steps of an episode, one for each method."""
        explained = explain(
            self.policy,
            episode.observations,
            list(self.methods),
            self.targets,
            layer=self.layer,
            context=episode.context,
            taken=taken_of(episode) if _can_be_compared(self.policy) else None,
        )
        return list(explained.values())

    @property
    def units(self) -> list[str]:
        """Of each target that was named, or of an action."""
        return [each.unit_for(self.policy.distribution) for each in self.asked or self.targets[:1]]

    @property
    def method_records(self) -> list[MethodRecord]:
        """How the heatmaps are made, as a recording keeps it."""
        return [
            MethodRecord(
                str(each),
                self.layer if each.reads_layer else None,
                each.signed,
                each.frame,
                each.one_sided,
                each.adds_up,
                each.unit,
            )
            for each in self.methods
        ]


def _by_frame(method: Method, frames: Frames, count: int) -> list[Method]:
    if frames == "sum" or count == 1 or method.frame is not None or not method.reads_pixels:
        return [method]
    return [method.configured(frame=each) for each in range(count)[-1 if frames == "last" else 0 :]]


def usual_methods(policy: Policy, image: Any, context: Mapping[str, Any]) -> list[Method]:
    """A class activation map and saliency; saliency alone where no layer has a map.

    It is plain CAM where the head is global average pooling and a linear layer, else Grad-CAM.

    Args:
        policy: the policy.
        image: one of its images, uint8 (H, W, C).
        context: of that image, (1, …) each.
    """
    saliency = get_method("saliency")
    try:
        explain(policy, image, "cam", 0, context=context)
        return [get_method("cam"), saliency]
    except InputError:
        pass
    try:
        resolve_layer(policy, policy.inputs(image[None]), None, policy.context_of(1, context))
    except InputError:
        return [saliency]
    return [get_method("grad-cam"), saliency]


def _can_be_compared(policy: Policy) -> bool:
    """Whether an action is one of several, of which another could have been taken."""
    return isinstance(policy.distribution, Categorical) and len(policy.labels) > 1


def _every_action(policy: Policy, contrast: bool) -> list[Target]:
    """Every action, and the one that was taken less the best of the others."""
    each = [score(index) for index in range(len(policy.labels))]
    return [*each, chosen_target()] if contrast else each
