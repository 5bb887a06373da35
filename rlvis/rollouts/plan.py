"""What is explained while recording: which methods, from which layer, of which targets."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from rlvis.attribution.caveats import caveat
from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanations
from rlvis.attribution.registry import Method, get_method
from rlvis.errors import InputError
from rlvis.instrument.layers import resolve_layer
from rlvis.models.policy import Policy
from rlvis.models.targets import Target, TargetLike, as_targets, margin, score
from rlvis.models.targets import chosen as chosen_target
from rlvis.rollouts.episode import one_of_several
from rlvis.rollouts.header import Header, MethodRecord

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
        caveats: what is to be known of each method's maps; see `Explanation`.
    """

    policy: Policy
    methods: Sequence[Method]
    layer: str | None
    asked: Sequence[Target]
    targets: Sequence[Target]
    contrast: bool
    caveats: Sequence[str]

    @classmethod
    def of(
        cls,
        policy: Policy,
        image: np.ndarray,
        context: Mapping[str, np.ndarray],
        methods: Sequence[str | Method],
        targets: TargetLike | Sequence[TargetLike] | None,
        layer: str | None,
        frames: Frames = "sum",
    ) -> "ExplanationPlan":
        """The plan for a policy, tried on one of its observations.

        Args:
            policy: the policy.
            image: uint8 (H, W, C).
            context: what it knows besides, (1, …) each.
            methods: those asked for; the usual ones where there is none.
            targets: those asked for; every action where there is none.
            layer: that methods read.
            frames: of a stack.

        Raises:
            InputError: if a method, target or layer does not exist, or would do nothing.
        """
        if frames not in get_args(Frames):
            choices = ", ".join(get_args(Frames))
            raise InputError(f"no way {frames!r} to show frames; choose {choices}")
        named = [get_method(each) for each in methods]
        asked = [] if targets in (None, (), []) else as_targets(targets, policy)
        contrast = not asked and one_of_several(policy.distribution)
        known = policy.context_of(1, context)
        usual = named or usual_methods(policy, image, known)
        if any(each.reads_layer for each in usual):
            possible = [margin() if each.name == "chosen" else each for each in asked]
            layer = resolve_layer(policy, policy.inputs(image[None]), layer, known, possible)
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
        given = policy, policy.inputs(image[None]), known, layer
        caveats = [caveat(each.one_weight, *given) for each in by_frame]
        return cls(policy, by_frame, layer, asked, explained, contrast, caveats)

    def explain(
        self, images: np.ndarray, context: Mapping[str, np.ndarray], taken: np.ndarray | None
    ) -> Explanations:
        """Explanations of N steps by each method, by its name.

        Args:
            images: uint8 (N, H, W, C).
            context: what the policy knew besides, (N, …) each.
            taken: int (N,), the score of the action that was taken, where one stands for it.
        """
        return explain(
            self.policy,
            images,
            methods=list(self.methods),
            target=list(self.targets),
            layer=self.layer,
            context=context,
            taken=taken,
        )

    def described(self, header: Header) -> Header:
        """The header of a recording with these methods and targets."""
        return replace(
            header,
            methods=self.method_records,
            targets=[each.name for each in self.asked],
            contrast=self.contrast,
            units=self.units,
        )

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
                caveat,
            )
            for each, caveat in zip(self.methods, self.caveats, strict=True)
        ]


def _by_frame(method: Method, frames: Frames, count: int) -> list[Method]:
    if frames == "sum" or count == 1 or method.frame is not None or not method.reads_pixels:
        return [method]
    return [method.configured(frame=each) for each in range(count)[-1 if frames == "last" else 0 :]]


def sample_of(policy: Policy, env: "Env") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """An image and a context (1, …) of a policy, drawn from the space with every action possible.

    The environment that is to be played must not be reset for it, since some wrappers make a step
    of a second reset.
    """
    space = copy.deepcopy(env.observation_space)
    space.seed(0)
    image, entries = policy.observe(space.sample(), np.ones(len(policy.labels), bool))
    return image, {key: each[None] for key, each in entries.items()}


def usual_methods(policy: Policy, image: Any, context: Mapping[str, Any]) -> list[Method]:
    """One that shows what scores hang on, and saliency; saliency alone where no layer has a map.

    That is plain CAM where the head is global average pooling and a linear layer, Grad-CAM where
    another head is behind the pooling. A head that flattens the map, or reads its places unevenly
    in another way, is asked what it does without parts of the image: of no such agent that was
    audited Grad-CAM surely agrees with that more than blind maps do (docs/how-to/believe.md).

    Args:
        policy: the policy.
        image: one of its images, uint8 (H, W, C).
        context: of that image, (1, …) each.
    """
    saliency, grad_cam = get_method("saliency"), get_method("grad-cam")
    try:
        explain(policy, image, "cam", 0, context=context)
        return [get_method("cam"), saliency]
    except InputError:
        pass
    inputs, known = policy.inputs(image[None]), policy.context_of(1, context)
    try:
        layer = resolve_layer(policy, inputs, None, known)
    except InputError:
        return [saliency]
    doubtful = caveat(grad_cam.one_weight, policy, inputs, known, layer)
    return [get_method("occlusion") if doubtful else grad_cam, saliency]


def _every_action(policy: Policy, contrast: bool) -> list[Target]:
    """Every action, and the one that was taken less the best of the others."""
    each = [score(index) for index in range(len(policy.labels))]
    return [*each, chosen_target()] if contrast else each
