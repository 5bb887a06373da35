"""The outputs of a layer in one pass, and which of them each target reads.

Most layers run once. A trunk that a network shows the image and its mirror image runs twice, and
the scores depend on both: these runs are *parallel*, each is explained, and their maps are added
where they look. Where one run is made from another, as where a layer is applied again and again,
the last counts. Runs that do not see the image, but a reference, do not count at all.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.attribution.changed_images import independent
from rlvis.errors import InputError
from rlvis.images.places import Places
from rlvis.instrument.feature_layout import FeatureLayout
from rlvis.instrument.network_trace import NetworkTrace
from rlvis.models.autograd_graph import depends, edges_behind
from rlvis.models.image_model import ImageModel
from rlvis.models.replica import is_scripted
from rlvis.models.targets import Target


class LayerRuns:
    """The runs of a layer on the way from a batch of images to targets.

    Args:
        model: the model.
        layer: as in `module.named_modules()`.
        trace: of the model.

    Attributes:
        several: whether it runs several times; which run depends on which is then read from the
            graph, which must reach back to the image.
        views: how many parallel runs targets depend on at most; methods look at one after another.
        view: which is looked at.

    Raises:
        InputError: if the layer does not run.
    """

    def __init__(self, model: ImageModel, layer: str, trace: NetworkTrace) -> None:
        self.layer, self._model, self._trace = layer, model, trace
        if layer not in trace.runs:
            within = ", or runs within a scripted part" if is_scripted(model.module) else ""
            raise InputError(
                f"layer {layer!r} did not run in the forward pass{within}; name another"
            )
        self.several = len(trace.runs[layer]) > 1
        self.views, self.view = 1, 0
        self._outputs: list[Tensor] = []
        self._layouts: dict[int, FeatureLayout] = {}
        self._of: list[list[int]] = []

    def capture(self, output: Tensor, reaches_image: bool) -> Tensor:
        """Keep an output, and give what goes on in its place.

        Args:
            output: of the layer.
            reaches_image: whether the graph has to go on behind it.
        """
        if not isinstance(output, Tensor):
            self._trace.cells(self._model, self.layer)  # which says what is wrong with it
        if not reaches_image:
            output = output.detach().requires_grad_()
        self._outputs.append(output)
        return output.clone()  # which an in-place operation that follows may change

    def assign(self, targets: Sequence[Target], columns: Sequence[Tensor]) -> None:
        """Find the runs that each target depends on.

        Args:
            targets: T targets.
            columns: their values, (N,) each.

        Raises:
            InputError: if one depends on none, or its runs give no maps of one size.
        """
        runs = self._trace.runs[self.layer]
        seeing = [number for number, run in enumerate(runs) if run.extent is not None]
        behind = {number: edges_behind(self._outputs[number]) for number in seeing if self.several}
        for target, column in zip(targets, columns, strict=True):
            edges = edges_behind(column)
            read = [each for each in seeing if depends(edges, self._outputs[each])]
            if not read:
                raise independent(target, f"layer {self.layer!r}")
            self._of.append([run for run in read if not self._goes_into(run, read, behind)])
        self.views = max(map(len, self._of))
        used = {run for runs in self._of for run in runs}
        self._layouts = {run: self._trace.layout(self._model, self.layer, run) for run in used}
        if len({self._outputs[run].shape for run in used}) > 1:
            raise InputError(
                f"layer {self.layer!r} runs several times, and the targets depend on maps of "
                f"different sizes; explain one target at a time"
            )

    def _goes_into(self, run: int, others: Sequence[int], behind: dict[int, set]) -> bool:
        """Whether another run is made from this one."""
        return any(other != run and depends(behind[other], self._outputs[run]) for other in others)

    @property
    def in_view(self) -> list[int]:
        """The run of each target that is looked at."""
        return [runs[min(self.view, len(runs) - 1)] for runs in self._of]

    def counts(self, target: int) -> bool:
        """Whether a target depends on a run of its own in this view."""
        return self.view < len(self._of[target])

    def read_by(self, target: int) -> list[Tensor]:
        """The outputs that a target depends on, as its gradient is taken at them."""
        return [self._outputs[run] for run in self._of[target]]

    def activations(self) -> Tensor:
        """The maps with an axis for the targets, float (N, 1 or T, C, h, w).

        It is 1 where all targets read one run.
        """
        runs = self.in_view
        runs = runs if len(set(runs)) > 1 else runs[:1]
        return torch.stack([self.map(run, self._outputs[run].detach()) for run in runs], dim=1)

    def map(self, run: int, tensor: Tensor) -> Tensor:
        """The map (N, C, h, w) in the output of a run, or in a gradient at it."""
        return self._layouts[run].map(tensor)

    def gradient(self, target: int, gradients: Sequence[Tensor]) -> Tensor:
        """The map of the run in view among gradients at all that a target depends on."""
        place = min(self.view, len(gradients) - 1)
        return self.map(self._of[target][place], gradients[place]).contiguous()

    def layout(self, run: int) -> FeatureLayout:
        """Where the map lies in the output of a run."""
        return self._layouts[run]

    @property
    def places(self) -> list[Places]:
        """Where the cells of each target's map look: those of its first run."""
        return [self._places(runs[0]) for runs in self._of]

    def put(self, maps: Tensor) -> Tensor:
        """Maps (N, T, h, w) of the runs in view, brought to `places`; of no run that counts: 0."""
        if self.view == 0:
            return maps
        together = [
            self._brought(maps[:, target], run, places)
            if self.counts(target)
            else 0 * maps[:, target]
            for target, (run, places) in enumerate(zip(self.in_view, self.places, strict=True))
        ]
        return torch.stack(together, dim=1)

    def on_input(self, maps: Tensor, target: int, size: tuple[int, int]) -> Tensor:
        """Maps (…, h, w) of a target's run in view where its cells look on the input, (…, H, W)."""
        places = self._places(self.in_view[target])
        if places.is_stretched:
            flat = maps.flatten(0, -3)[:, None]
            return F.interpolate(flat, size, mode="bilinear").view(*maps.shape[:-2], *size)
        rows, columns = (
            torch.from_numpy(side.weights(length)).to(maps)
            for side, length in zip((places.rows, places.columns), size, strict=True)
        )
        return rows @ maps @ columns.mT

    def _places(self, run: int) -> Places:
        return self._trace.cells(self._model, self.layer, run).places

    def _brought(self, maps: Tensor, run: int, to: Places) -> Tensor:
        places = self._places(run)
        if places == to:
            return maps
        rows, columns = (torch.from_numpy(each).to(maps) for each in to.of(places))
        return rows @ maps @ columns.mT
