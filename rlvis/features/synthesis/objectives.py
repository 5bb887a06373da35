"""What an image is to excite: small functions of activations and scores that add and multiply.

    label("Egyptian cat")              a score
    channel("features.conv3", 17)      the mean of a unit's map
    neuron("features.conv3", 17)       a unit at the middle of its map
    direction("features.conv3", v)     the mean of the units' combination v
    channel("a", 1) + 2 * channel("b", 3) - label("dog")

They add, subtract and take factors. The contrast of two, what excites the one but not the other, is
their difference: label("cat") - label("dog").

After Lucid (Olah, Mordvintsev & Schubert 2017, "Feature visualization").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.features.activations.units import check_unit
from rlvis.models.image_model import ImageModel
from rlvis.models.scores import Scores
from rlvis.models.targets import label_index

Seen = Mapping[str, Tensor]
"""Activations (N, units, h, w) by layer."""


@dataclass(frozen=True)
class Objective:
    """A number per image, to be made large.

    Attributes:
        name: what pictures call it.
        of: maps activations and scores to a tensor (N,).
        layers: whose activations it reads.
        reads_scores: whether it reads the scores; if not, the network runs up to its layers only.
        unit: the layer and number of the one unit that it is about, None for all else.
    """

    name: str
    of: Callable[[Seen, Scores | None], Tensor]
    layers: frozenset[str] = frozenset()
    reads_scores: bool = False
    unit: tuple[str, int] | None = None

    def __add__(self, other: "Objective") -> "Objective":
        return self._with(other, f"{self.name} + {other.name}", torch.add)

    def __sub__(self, other: "Objective") -> "Objective":
        return self._with(other, f"{self.name} - {other.name}", torch.sub)

    def __mul__(self, factor: float) -> "Objective":
        return Objective(
            f"{factor:g} {self.name}",
            lambda seen, scores: factor * self.of(seen, scores),
            self.layers,
            self.reads_scores,
        )

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return self * -1

    def _with(
        self, other: "Objective", name: str, join: Callable[[Tensor, Tensor], Tensor]
    ) -> "Objective":
        return Objective(
            name,
            lambda seen, scores: join(self.of(seen, scores), other.of(seen, scores)),
            self.layers | other.layers,
            self.reads_scores or other.reads_scores,
        )


def label(name: str | int) -> Objective:
    """The score of one label."""

    def of(_: Seen, scores: Scores | None) -> Tensor:
        assert scores is not None
        return scores.logits[:, label_index(name, scores.labels)]

    return Objective(str(name), of, reads_scores=True)


def channel(layer: str, unit: int) -> Objective:
    """The mean of one unit's map."""
    return Objective(
        f"{layer}:{unit}",
        lambda seen, _: _unit(seen[layer], layer, unit).mean(dim=(-2, -1)),
        frozenset({layer}),
        unit=(layer, unit),
    )


def neuron(layer: str, unit: int) -> Objective:
    """One unit at the middle of its map."""

    def of(seen: Seen, _: Scores | None) -> Tensor:
        found = _unit(seen[layer], layer, unit)
        return found[:, found.shape[1] // 2, found.shape[2] // 2]

    return Objective(f"{layer}:{unit}@middle", of, frozenset({layer}), unit=(layer, unit))


def direction(layer: str, vector: Sequence[float]) -> Objective:
    """The mean over the map of a combination of the layer's units."""
    weights = torch.as_tensor(vector, dtype=torch.float32)

    def of(seen: Seen, _: Scores | None) -> Tensor:
        maps = seen[layer]
        if len(weights) != maps.shape[1]:
            raise InputError(
                f"a direction of {len(weights)} numbers, but layer {layer} has "
                f"{maps.shape[1]} units"
            )
        return torch.einsum("nchw,c->n", maps, weights.to(maps)) / maps[0, 0].numel()

    return Objective(f"a direction in {layer}", of, frozenset({layer}))


def whole_layer(layer: str) -> Objective:
    """The mean square of all of a layer's activations: whatever is there, more (DeepDream)."""
    return Objective(
        layer, lambda seen, _: seen[layer].square().mean(dim=(1, 2, 3)), frozenset({layer})
    )


def guide(layer: str, features: Tensor) -> Objective:
    """Every place like the place of a guide image that it is most like already (DeepDream).

    Args:
        layer: whose activations.
        features: of the guide image, (units, h, w).
    """
    wanted = features.flatten(1)

    def of(seen: Seen, _: Scores | None) -> Tensor:
        places = seen[layer].flatten(2)
        with torch.no_grad():
            best = torch.einsum("ncp,cq->npq", places, wanted).argmax(dim=2)
        return (places * wanted[:, best].movedim(0, 1)).sum(dim=1).mean(dim=1)

    return Objective(f"the guide's features in {layer}", of, frozenset({layer}))


def diversity(layer: str) -> Objective:
    """How little images of one batch have in common: less the similarity of their Gram matrices.

    Olah et al. 2017, "Diversity".
    """

    def of(seen: Seen, _: Scores | None) -> Tensor:
        maps = seen[layer].flatten(2)
        grams = torch.nn.functional.normalize((maps @ maps.mT).flatten(1), dim=1)
        alike = grams @ grams.T
        return -(alike.sum(dim=1) - alike.diagonal()) / max(len(alike) - 1, 1)

    return Objective(f"diversity in {layer}", of, frozenset({layer}))


def parse(written: str, model: ImageModel) -> Objective:
    """An objective as pictures call it: "cat", "layer:17", "layer:17@middle", "a + b", "a - b".

    Raises:
        InputError: if a label or layer does not exist.
    """
    if written in model.labels:
        return label(written)
    for sign in (" + ", " - "):
        first, found, second = written.rpartition(sign)
        if found:
            left, right = parse(first, model), parse(second, model)
            return left + right if sign == " + " else left - right
    layer, colon, unit = written.rpartition(":")
    number, _, where = unit.partition("@")
    names = {name for name, _ in model.module.named_modules() if name}
    if colon and layer in names and number.isdigit() and where in ("", "middle"):
        return (neuron if where else channel)(layer, int(number))
    if written in names:
        raise InputError(f"{written!r} is a layer; name a unit of it as {written}:0")
    label_index(written, model.labels)
    return label(written)


def _unit(maps: Tensor, layer: str, unit: int) -> Tensor:
    check_unit(layer, unit, maps.shape[1])
    return maps[:, unit]
