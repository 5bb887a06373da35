"""A network run as far as an objective needs it, its gradient let through where ReLUs block it."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from rlvis.features.activations.units import UnitReader, check_layers
from rlvis.features.synthesis.objectives import Objective
from rlvis.instrument.relu_rules import Rectifier
from rlvis.instrument.watching import watch
from rlvis.models.image_model import ImageModel
from rlvis.models.norm_gradients import order_norm_gradients
from rlvis.models.replica import replicate
from rlvis.models.scores import Scores


class _FarEnoughError(Exception):
    """All the layers that are read have run."""


class ObjectiveNetwork:
    """What an objective makes of a network's input.

    Args:
        model: the model; it is left as it is.
        objective: what is to be made large.
        context: of each image, see `ImageModel.context_of`; zeros where the model has some and
            none is given.

    Raises:
        InputError: if a layer does not exist.
    """

    def __init__(
        self, model: ImageModel, objective: Objective, context: Mapping[str, Any] | None = None
    ) -> None:
        check_layers(model, sorted(objective.layers))
        self._model, self._objective = model, objective
        self._context = context
        self._replica = replicate(model.module)
        self._units: UnitReader | None = None
        self._seen: dict[str, Tensor] = {}
        watch(self._replica, self._keep, set(objective.layers))

    @property
    def name(self) -> str:
        """Of the objective."""
        return self._objective.name

    def _keep(self, name: str, _: nn.Module, __: Any, output: Any) -> Any:
        assert self._units is not None
        self._seen[name] = self._units(name, output)
        if not self._objective.reads_scores and len(self._seen) == len(self._objective.layers):
            raise _FarEnoughError
        return output.clone()

    def __call__(self, inputs: Tensor, redirected: bool = False) -> Tensor:
        """The objective (N,) of inputs (N, C, H, W).

        Args:
            inputs: of the network.
            redirected: let the gradient through ReLUs that are off where an image has none; see
                `rectifiers`.

        Raises:
            InputError: if a layer did not run or has no units.
        """
        known, inputs = self._known(len(inputs)), inputs.to(self._model.dtype)
        if self._units is None:
            names = sorted(self._objective.layers)
            self._units = UnitReader.of(self._model, inputs, names, known)
        together = self._model.takes_batches(inputs, known, self._replica)
        size = len(inputs) if together else 1
        passes = []
        for start in range(0, len(inputs), size):
            rows = slice(start, start + size)
            own = {name: entry[rows] for name, entry in known.items()}
            passes.append(self._pass(inputs[rows], own, redirected))
        seen = {name: torch.cat([each[name] for each, _ in passes]) for name in passes[0][0]}
        scores = [each for _, each in passes if each is not None]
        found = self._objective.of(seen, Scores.joined(scores) if scores else None).float()
        order_norm_gradients([found])
        return found

    def _pass(
        self, inputs: Tensor, context: Mapping[str, Tensor], redirected: bool
    ) -> tuple[dict[str, Tensor], Scores | None]:
        """What layers give in one pass, and the scores where they are read."""
        self._seen.clear()
        scores: Scores | None = None
        rectifier = Rectifier()
        rectifier.rule = "redirected"
        try:
            with rectifier if redirected else nullcontext():
                scores = self._model.run(self._replica, inputs, context)
        except _FarEnoughError:
            pass
        return dict(self._seen), scores

    def _known(self, count: int) -> dict[str, Tensor]:
        if self._context:
            return self._model.context_of(count, self._context)
        return self._model.blank_context(count)
