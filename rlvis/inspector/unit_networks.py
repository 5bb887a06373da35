"""A network's units as what is explained, and as what is changed.

Both are modules around the network that hook one layer while it runs, so that the tools take them
as any other network.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from torch import Tensor, nn

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanation
from rlvis.attribution.registry import get_method
from rlvis.errors import InputError
from rlvis.features.activations.units import UnitReader, check_unit
from rlvis.models.image_model import ImageModel

INNER = "network."
"""What the names of layers begin with in these modules."""

_UNIT = "unit:"

Network = TypeVar("Network", bound=ImageModel)


@dataclass(frozen=True)
class Edit:
    """A unit set to a value wherever its map is.

    Attributes:
        layer: as in `module.named_modules()`.
        unit: of the layer.
        value: what it gives from now on.
    """

    layer: str
    unit: int
    value: float

    @classmethod
    def read(cls, given: Any) -> Self:
        """An edit as the page sends it.

        Raises:
            InputError: if it is none.
        """
        try:
            layer, unit, value = str(given["layer"]), given["unit"], float(given["value"])
        except (TypeError, KeyError, ValueError):
            raise InputError("an edit is a layer, the number of a unit and a value") from None
        if isinstance(unit, bool) or not isinstance(unit, int) or not np.isfinite(value):
            raise InputError(f"cannot set unit {unit!r} to {value}; give whole and finite numbers")
        return cls(layer, unit, value)


class EditedNetwork(nn.Module):
    """A network some of whose units are held at a value.

    Args:
        network: it; used as it is.
        units: where its layers keep them.
        edits: which, and at what.
    """

    def __init__(self, network: nn.Module, units: UnitReader, edits: Sequence[Edit]) -> None:
        super().__init__()
        self.network, self._units, self._edits = network, units, tuple(edits)

    def forward(self, *inputs: Any, **context: Any) -> Any:
        """What the network gives with these units."""
        with ExitStack() as hooked:
            for edit in self._edits:

                def hold(_: nn.Module, __: Any, output: Tensor, edit: Edit = edit) -> Tensor:
                    changed = output.clone()
                    self._units(edit.layer, changed)[:, edit.unit] = edit.value
                    return changed

                layer = self.network.get_submodule(edit.layer)
                hooked.callback(layer.register_forward_hook(hold).remove)
            return self.network(*inputs, **context)


class UnitNetwork(nn.Module):
    """A network whose only score is the strongest activation of one unit.

    Args:
        network: it; used as it is.
        units: where its layers keep them.
        layer: as in `module.named_modules()`.
        unit: of the layer.
    """

    def __init__(self, network: nn.Module, units: UnitReader, layer: str, unit: int) -> None:
        super().__init__()
        self.network, self._units, self._layer, self._unit = network, units, layer, unit

    def forward(self, *inputs: Any, **context: Any) -> Tensor:
        """Float (N, 1)."""
        seen: list[Tensor] = []

        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            seen.append(self._units(self._layer, output)[:, self._unit].amax((-2, -1)))

        hook = self.network.get_submodule(self._layer).register_forward_hook(keep)
        try:
            self.network(*inputs, **context)
        finally:
            hook.remove()
        return seen[-1][:, None]


def edited(
    model: Network, image: np.ndarray, context: Mapping[str, Any], edits: Sequence[Edit]
) -> Network:
    """A network some of whose units are held at a value.

    Args:
        model: it is left as it is.
        image: one of its images, uint8 (H, W, C), from which its layers are known.
        context: of that image, (1, …) each.
        edits: which units, and at what.

    Raises:
        InputError: if a layer or a unit does not exist.
    """
    if not edits:
        raise InputError("no unit to edit; name at least one")
    units = _reader(model, image, context, [each.layer for each in edits])
    for each in edits:
        check_unit(each.layer, each.unit, units.counts[each.layer])
    return model.with_changes(module=EditedNetwork(model.module, units, edits))


def unit_model(
    model: ImageModel, image: np.ndarray, context: Mapping[str, Any], layer: str, unit: int
) -> ImageModel:
    """A model whose only score is the strongest activation of a unit; see `edited`."""
    units = _reader(model, image, context, [layer])
    check_unit(layer, unit, units.counts[layer])
    return ImageModel(
        UnitNetwork(model.module, units, layer, unit),
        [f"unit {unit} of {layer}"],
        model.preprocess,
        name=model.name,
        context=model.context,
        memory=model.memory,
        frames=model.frames,
    )


def _reader(
    model: ImageModel, image: np.ndarray, context: Mapping[str, Any], layers: Sequence[str]
) -> UnitReader:
    inputs = model.inputs(image)[:1]
    return UnitReader.of(model, inputs, list(dict.fromkeys(layers)), model.context_of(1, context))


def explain_unit(
    model: ImageModel,
    images: np.ndarray,
    context: Mapping[str, Any],
    method: str,
    targets: Sequence[Any],
    layer: str | None,
) -> Explanation:
    """Why a unit is as strong as it is, in each of N images.

    Args:
        model: the network.
        images: uint8 (N, H, W, C).
        context: (N, …) each.
        method: by name.
        targets: one "unit:layer:number" alone.
        layer: for methods that read one; the unit's own when left out.

    Raises:
        InputError: if there is no such unit, or the method cannot be asked for one.
    """
    if len(targets) != 1:
        raise InputError("explain one unit at a time, and nothing besides")
    own, unit = read_unit(targets[0])
    first = {name: each[:1] for name, each in context.items()}
    asked = unit_model(model, images[0], first, own, unit)
    options: dict[str, Any] = {"context": context} if context else {}
    if get_method(method).reads_layer:
        options["layer"] = INNER + (layer or own)
    return explain(asked, images, method, 0, **options)


def is_unit(target: Any) -> bool:
    """Whether a target is a unit, as the page names them."""
    return isinstance(target, str) and target.startswith(_UNIT)


def read_unit(target: str) -> tuple[str, int]:
    """The layer and the number in "unit:layer:number".

    Raises:
        InputError: if it is written otherwise.
    """
    layer, _, number = target.removeprefix(_UNIT).rpartition(":")
    if not is_unit(target) or not layer or not number.isdecimal():
        raise InputError(f"cannot read the unit {target!r}; write unit:layer:number")
    return layer, int(number)
