"""Which pixels of an image every element of a network's tensors depends on.

One forward pass is followed operation by operation, below autograd and whatever modules are made
of; `rlvis.instrument.dependence.extents` says what each operation does.
"""

from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

import rlvis.instrument.dependence.windows  # noqa: F401 - brings the rules of windows
from rlvis.instrument.dependence.extents import RULES, Call, Extent, Rule, elementwise, unknown


class Dependence(TorchDispatchMode):
    """Within it, what is computed from an image is followed.

    Use it inside `torch.inference_mode()`, so that nothing copies tensors unseen.

    Args:
        image: (1, C, H, W).
        looking: whether it is asked where elements look, not what can change them; see `extents`.
    """

    def __init__(self, image: Tensor, looking: bool = False) -> None:
        super().__init__()
        self._looking = looking
        height, width = image.shape[-2:]
        rows, columns = torch.arange(height).float()[:, None], torch.arange(width).float()
        border = (inf,) * 4 if looking else (0, height - 1, 0, width - 1)
        self._whole = tuple(torch.tensor(float(each)) for each in border)
        self._known = WeakTensorKeyDictionary()
        self._writes: dict[int, tuple[int, Tensor]] = {}
        self._note(
            image, tuple(each[None, None] for each in (-rows, rows, -columns[None], columns[None]))
        )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """See `rlvis.models.rng`: nothing is compiled here."""
        return False

    def extent(self, tensor: Tensor) -> Extent | None:
        """What a tensor depends on, None where on nothing."""
        writes = self._count(tensor)
        known = self._known.get(tensor)
        if known is None:
            return None if writes == 0 else self._shaped(self._whole, tensor)
        extent, then = known
        return extent if then == writes else self._shaped(self._whole, tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if _name(func) not in RULES:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        depends = any(self.extent(each) is not None for each in given)
        result = func(*args, **kwargs)
        if depends:
            self._follow(func, args, kwargs, result)
        return result

    def _follow(self, func: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        names = [argument.name for argument in func._schema.arguments]
        outputs = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        call = Call(func, arguments, outputs, self.extent, self._whole, self._looking)
        extents = list(_rule_of(func)(call))
        extents *= len(outputs) if len(extents) == 1 else 1
        written = [
            arguments[argument.name]
            for argument in func._schema.arguments
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        for tensor, extent in zip(outputs, extents, strict=True):
            shaped = self._shaped(extent, tensor)
            if any(tensor is each for each in written) and not self._is_known(tensor, shaped):
                # Other tensors may look at the same memory: they are no longer what they were.
                place = tensor.untyped_storage().data_ptr()
                self._writes[place] = self._count(tensor) + 1, tensor
            self._note(tensor, shaped)

    def _note(self, tensor: Tensor, extent: Extent) -> None:
        self._known[tensor] = extent, self._count(tensor)

    def _count(self, tensor: Tensor) -> int:
        """How often the memory of a tensor was written to."""
        return self._writes.get(tensor.untyped_storage().data_ptr(), (0, tensor))[0]

    def _is_known(self, tensor: Tensor, extent: Extent) -> bool:
        known = self.extent(tensor)
        return known is not None and all(map(torch.equal, known, extent))

    def _shaped(self, extent: Extent, tensor: Tensor) -> Extent:
        """The extent with as many axes as the tensor; the whole image where it does not fit."""
        for each in extent:
            axes = tensor.shape[tensor.ndim - each.ndim :] if each.ndim <= tensor.ndim else None
            if axes is None or any(
                have not in (1, want) for have, want in zip(each.shape, axes, strict=True)
            ):
                extent = self._whole
        return tuple(
            _compact(each.reshape([1] * (tensor.ndim - each.ndim) + list(each.shape)))
            for each in extent
        )


def _compact(bounds: Tensor) -> Tensor:
    for axis, length in enumerate(bounds.shape):
        one = bounds.narrow(axis, 0, min(1, length))
        if length > 1 and bool((bounds == one).all()):
            bounds = one
    return bounds


def _name(func: Any) -> str:
    name: str = func._schema.name
    return name.removeprefix("aten::")


def _rule_of(func: Any) -> Rule:
    usual = elementwise if torch.Tag.pointwise in func.tags else unknown
    return RULES.get(_name(func), usual)
