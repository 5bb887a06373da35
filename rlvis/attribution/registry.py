"""The methods by name: a formula on evidence, its paper, and what it reads."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from rlvis.attribution.evidence import Evidence, GradientRequest
from rlvis.attribution.frame_evidence import FrameEvidence
from rlvis.errors import InputError, unknown
from rlvis.options import parse_options

Formula = Callable[..., Tensor]


@dataclass(frozen=True)
class Method:
    """An attribution method.

    Attributes:
        name: as users write it, e.g. "grad-cam".
        reference: the paper and equation.
        formula: maps `Evidence` and options to heatmaps (N, T, h, w).
        needs: the gradients it reads.
        reads_layer: whether it reads a layer's activations.
        reads_attention: whether it reads a transformer's attention.
        signed: whether negative values mean evidence against the target.
        one_sided: whether evidence against the target is cut off, so that nothing is seen of it.
        adds_up: whether a map sums to the score less the head's bias, of targets that are linear in
            the scores: the map of a difference is then the difference of two maps.
        one_weight: whether each channel has one weight at all places, as is right where scores are
            pooled from the layer.
        unit: of the maps, with "{score}" for that of the target.
        options: keyword arguments of the formula that differ from its defaults.
        frame: the one frame of a stack that it is asked of, as in `frames.channels_of`; None for
            all of them together.
    """

    name: str
    reference: str
    formula: Formula
    needs: tuple[GradientRequest, ...] = ()
    reads_layer: bool = False
    reads_attention: bool = False
    signed: bool = False
    one_sided: bool = False
    adds_up: bool = False
    one_weight: bool = False
    unit: str = "{score}"
    options: dict[str, Any] = field(default_factory=dict)
    frame: int | None = None

    @property
    def drawn_at(self) -> Literal["input", "layer", "attention"]:
        """What the cells of its maps are: pixels of the input, or a layer's or attention's."""
        if self.reads_attention:
            return "attention"
        at_input = any(need.at == "input" for need in self.needs)
        return "layer" if self.reads_layer and not at_input else "input"

    @property
    def reads_pixels(self) -> bool:
        """Whether it can be asked of one frame of a stack: layers and attention mix them."""
        mixes = self.reads_layer or self.reads_attention
        return not mixes or any(need.at == "input" for need in self.needs)

    @property
    def defaults(self) -> dict[str, Any]:
        """The formula's options with their default values."""
        parameters = list(inspect.signature(self.formula).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def configured(self, **options: Any) -> "Method":
        """The same method with other options, or of one `frame`.

        Raises:
            InputError: if there is no such option.
        """
        if "frame" in options:
            frame = options.pop("frame")
            if not self.reads_pixels:
                raise InputError(
                    f"{self.name} reads layers, where the frames are mixed; leave frame out"
                )
            if not isinstance(frame, int):
                raise InputError(f"no frame {frame!r}; write frame=-1 for the latest, 0 the oldest")
            return replace(self, frame=frame).configured(**options)
        for option in options:
            if option not in self.defaults:
                raise unknown(f"option of {self.name}", option, self.defaults)
        return replace(self, options={**self.options, **options})

    def __call__(self, evidence: Evidence) -> Tensor:
        """Heatmaps, float (N, T, h, w)."""
        if self.frame is None:
            return self.formula(evidence, **self.options)
        return self.formula(FrameEvidence(evidence, self.frame), **self.options)

    def __str__(self) -> str:
        options = self.options if self.frame is None else {**self.options, "frame": self.frame}
        if not options:
            return self.name
        return f"{self.name}:" + ",".join(f"{key}={value}" for key, value in options.items())


METHODS: dict[str, Method] = {}


def method(
    name: str,
    *,
    reference: str,
    needs: Sequence[GradientRequest] = (),
    reads_layer: bool = False,
    reads_attention: bool = False,
    signed: bool = False,
    one_sided: bool = False,
    adds_up: bool = False,
    one_weight: bool = False,
    unit: str = "{score}",
) -> Callable[[Formula], Formula]:
    """Register a formula under a name."""

    def register(formula: Formula) -> Formula:
        METHODS[name] = Method(
            name=name,
            reference=reference,
            formula=formula,
            needs=tuple(needs),
            reads_layer=reads_layer,
            reads_attention=reads_attention,
            signed=signed,
            one_sided=one_sided,
            adds_up=adds_up,
            one_weight=one_weight,
            unit=unit,
        )
        return formula

    return register


def get_method(given: str | Method) -> Method:
    """A method by name, options after a colon: "occlusion:patch=8,stride=4".

    Raises:
        InputError: if the method or an option does not exist, or an option is written wrongly.
    """
    if isinstance(given, Method):
        return given
    name, _, written = given.partition(":")
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name].configured(**parse_options(list(filter(None, written.split(",")))))
