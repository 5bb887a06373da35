"""What kind of scores a network gives, found out once by asking it.

It is asked for an image and for noise, faint to glaring: numbers that sum to 1 whatever is shown
are probabilities, numbers that grow with the contrast are none. Where a network's last step bounds
nothing, as a linear layer, numbers that happen to lie between 0 and 1 are none either. What the
network's own config says comes before; what its user says comes first, and then nothing is asked.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis.errors import Notice
from rlvis.models.own_config import own_kind
from rlvis.models.score_kinds import (
    IndependentLogits,
    IndependentProbabilities,
    Logits,
    LogProbabilities,
    Numbers,
    Probabilities,
    ScoreKind,
    kind_named,
)

_Noise = tuple[float, int | None]
_USUAL: tuple[_Noise, ...] = (1.0, 1), (1.0, 2), (2.0, 6), (1.0, None)
_GLARING: tuple[_Noise, ...] = (30.0, 6), (1000.0, None)
"""Contrast of the noise, as inputs usually have it and far beyond, and how many cells it has along
each side; None for one in each pixel."""

_ROUNDING = 1e-6

_SAME_ODDS = 0.01
"""Logits below that make all labels as likely."""

_UNBOUNDED = {
    *("Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "Dot", "Convolution", "Linear"),
    *("Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Softplus", "MaxPool2DWithIndices"),
}
"""Steps that let numbers grow with what is shown."""

_SIGMOID = {"Sigmoid", "Hardsigmoid"}
_PASSED = {
    *("View", "UnsafeView", "Reshape", "ReshapeAlias", "Squeeze", "Unsqueeze", "Select", "Slice"),
    *("Transpose", "T", "Permute", "Expand", "Clone", "ToCopy", "Alias", "AsStrided", "Cat"),
    *("Stack", "Index", "Split", "Unbind", "Add", "Sub", "Rsub", "Mul", "Div", "Neg", "Mean"),
    "Sum",
    *("AdaptiveAvgPool2D", "MeanAdaptiveAvgPool2D", "AccumulateGrad"),
}
"""Steps that numbers pass as they are, or as sums, means and multiples."""

Ask = Callable[[Tensor], Tensor]

_Known = tuple[list[Any], int | None, ScoreKind]
_KNOWN: WeakKeyDictionary[nn.Module, _Known] = WeakKeyDictionary()


def find_kind(module: nn.Module, settings: list[Any], image: Tensor, ask: Ask) -> ScoreKind:
    """The kind of a network's scores; what is not certain is reported with a `Notice`, once.

    Args:
        module: the network.
        settings: of its parts; where they have changed, or the weights of a network of which
            something is doubtful, it is asked again.
        image: an input, (1, C, H, W).
        ask: puts inputs (N, C, H, W) to a copy of it, which gives scores (N, K).
    """
    if module in _KNOWN:
        known, weights, found = _KNOWN[module]
        if known == settings and (weights is None or weights == _changes(module)):
            return found
    seen = _behaviour(image.detach(), ask)
    if seen is None:  # what is wrong comes again, where it can be told
        return Logits()
    found, doubt = _read(seen, own_kind(module))
    _KNOWN[module] = settings, _changes(module) if doubt else None, found
    if doubt:
        warnings.warn(f"{type(module).__name__}: {doubt}", Notice, stacklevel=2)
    return found


def _changes(module: nn.Module) -> int:
    """How often weights of a network were changed."""
    return sum(weight._version for weight in module.parameters())


def gives_probabilities(image: Tensor, ask: Ask) -> bool:
    """Whether a network gives numbers that sum to 1 whatever is shown; see `find_kind`."""
    seen = _behaviour(image.detach(), ask)
    return seen is not None and seen.usual.shape[1] > 1 and seen.sums_to_one


@dataclass(frozen=True)
class _Behaviour:
    """What a network gave.

    Attributes:
        usual: float64 (P, K), for the image and for usual noise.
        extreme: float64 (Q, K), for glaring noise.
        last: its last steps, as far as they can be seen.
    """

    usual: Tensor
    extreme: Tensor
    last: frozenset[str]

    @property
    def rows(self) -> Tensor:
        """Float64 (P + Q, K): all scores."""
        return torch.cat([self.usual, self.extreme])

    @property
    def varied(self) -> bool:
        """Whether it told any two inputs apart."""
        return bool((self.rows != self.rows[:1]).any())

    def ends_in(self, steps: set[str]) -> bool:
        """Whether the network is seen to end in some of these steps and no others."""
        return bool(self.last) and self.last <= steps

    @property
    def between_0_and_1(self) -> bool:
        """Whether something keeps all scores there, not only weights that are small."""
        inside = (self.rows >= -_ROUNDING) & (self.rows <= 1 + _ROUNDING)
        return self.varied and not self.last & _UNBOUNDED and bool(inside.all())

    @property
    def sums_to_one(self) -> bool:
        """Whether scores are shares of a whole."""
        positive = bool((self.rows >= -_ROUNDING).all())
        return self.varied and positive and _near(self.rows.sum(dim=1), 1)

    @property
    def logarithms_of_shares(self) -> bool:
        """Whether scores are the logarithms of shares of a whole."""
        return self.varied and _near(self.rows.logsumexp(dim=1), 0)

    @property
    def of_a_form_of_their_own(self) -> str:
        """What scores are, and what would be read, where no kind is made of them; "" for others."""
        rows, sums = self.rows, self.rows.sum(dim=1)
        if not self.varied:
            return ""
        whole = float(sums.mean())
        if bool((rows >= 0).all()) and whole > 0 and _near(sums / whole, 1):
            return f"shares of {whole:.4g}; probabilities sum to 1"
        if _near((-rows).logsumexp(dim=1), 0):
            return "negative log-probabilities; log-probabilities have the other sign"
        if self.ends_in({"LogSigmoid"}):
            return "logarithms of independent probabilities; return their exp, or logits"
        from_0_to_1 = _near(rows.amin(dim=1), 0) and _near(rows.amax(dim=1), 1)
        if from_0_to_1 and not self.ends_in(_SIGMOID):
            return "stretched from 0 to 1; return what they were before"
        return ""

    @property
    def tiny(self) -> bool:
        """Whether as logits the scores would make all labels as likely on any usual input."""
        return 0 < float(self.usual.abs().amax()) < _SAME_ODDS


def _behaviour(image: Tensor, ask: Ask) -> _Behaviour | None:
    """What a network gives for an image and for noise, None where it gives nothing."""
    with torch.inference_mode(False), torch._C.DisableTorchFunction():  # whoever listens
        return _asked(image, ask)


def _asked(image: Tensor, ask: Ask) -> _Behaviour | None:
    generator = torch.Generator().manual_seed(0)
    noise = [_noise(image, contrast, cells, generator) for contrast, cells in (*_USUAL, *_GLARING)]
    with torch.enable_grad():
        seen = _answers(ask, image.clone().requires_grad_())
    last = frozenset() if seen is None or seen.grad_fn is None else _last_steps(seen.grad_fn)
    with torch.no_grad():
        rows = [None if seen is None else seen.detach(), *(_answers(ask, each) for each in noise)]
    told = [[row.cpu().double() for row in part if row is not None] for part in _parted(rows)]
    if not told[0]:
        return None
    usual = torch.cat(told[0])
    return _Behaviour(usual, torch.cat([usual[:0], *told[1]]), last)


def _noise(image: Tensor, contrast: float, cells: int | None, generator: torch.Generator) -> Tensor:
    """Noise (1, C, H, W) in so many cells along each side."""
    height, width = image.shape[-2:]
    size = height if cells is None else cells, width if cells is None else cells
    drawn = contrast * torch.randn(1, image.shape[1], *size, generator=generator)
    return F.interpolate(drawn, (height, width)).to(image)


def _parted(rows: list[Tensor | None]) -> tuple[list[Tensor | None], list[Tensor | None]]:
    count = 1 + len(_USUAL)
    return rows[:count], rows[count:]


def _answers(ask: Ask, image: Tensor) -> Tensor | None:
    """The scores (1, K) of an image, None where the network cannot say anything of it."""
    for images in (image, image.expand(2, *image.shape[1:])):  # some squeeze the axis of one
        with suppress(Exception):  # some take no noise, or give no finite number for it
            found = ask(images.clone())[:1]
            if bool(found.isfinite().all()):
                return found
    return None


def _read(seen: _Behaviour, meant: str | None) -> tuple[ScoreKind, str]:
    """The kind of scores, and what of it is doubtful; `meant` is what the config says of it."""
    labels = seen.usual.shape[1]
    if meant == Numbers.name:
        return Numbers(), ""
    if labels > 1 and meant != IndependentLogits.name:
        if seen.sums_to_one:
            return Probabilities(), ""
        if seen.logarithms_of_shares:
            return LogProbabilities(), ""
        if form := seen.of_a_form_of_their_own:
            return Numbers(), f"its scores are read as plain numbers: they are {form}"
    if meant == Logits.name:
        return kind_named(meant, labels), ""
    if seen.between_0_and_1:
        certain = meant is not None or seen.ends_in(_SIGMOID)
        return IndependentProbabilities(), "" if certain else _doubt(
            "between 0 and 1", "probabilities that need not sum to 1", Numbers
        )
    if meant == IndependentLogits.name:
        return IndependentLogits(), ""
    if labels == 1 or seen.ends_in({"Tanh"}):  # nothing is said of what they measure
        return Numbers(), ""
    if seen.tiny:
        return Numbers(), _doubt(f"below {_SAME_ODDS:g}", "plain numbers", Logits)
    return Logits(), ""


def _doubt(are: str, read: str, otherwise: type[ScoreKind]) -> str:
    return (
        f"its scores are {are} whatever is shown, and read as {read}; where they are "
        f'{otherwise.plural}, say scores="{otherwise.name}" (--scores)'
    )


def _near(numbers: Tensor, value: float) -> bool:
    """Whether all numbers are that value, as far as half precision goes."""
    return bool(((numbers - value).abs() < 5e-3).all())


def _last_steps(node: Any) -> frozenset[str]:
    """The last operations on the way to a score, those in `_PASSED` left out."""
    waiting, seen, found = [node], set(), set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        name = type(node).__name__.partition("Backward")[0]
        if name in _PASSED:
            waiting += [each for each, _ in node.next_functions if each is not None]
        else:
            found.add(name)
    return frozenset(found)
