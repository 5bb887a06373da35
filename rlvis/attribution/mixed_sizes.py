"""What methods say of images of different sizes: an explanation for each image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from PIL import Image

from rlvis.attribution.explanation import Explanation
from rlvis.attribution.panel import Panel, panel_rows
from rlvis.attribution.panel_parts import Scale, methods_line
from rlvis.attribution.panel_picture import stack
from rlvis.display.page import Page
from rlvis.results import Result, Results, Table


@dataclass(frozen=True)
class Panels:
    """Panels of several images, one under the other."""

    panels: Sequence[Panel]

    def picture(self) -> Image.Image:
        """They as one picture."""
        return Image.fromarray(stack([np.asarray(panel.picture()) for panel in self.panels]))

    def html(self, whole: bool = True) -> str:
        """They as one page."""
        first = self.panels[0].explanations
        rows = [row for panel in self.panels for row in panel_rows(panel.explanations, panel.scale)]
        return Page(first[0].model, [methods_line(first)], rows).html(whole)


class ExplanationList(Result, Sequence[Explanation]):
    """What one method says about images of different sizes: an `Explanation` for each.

    Args:
        parts: of one image each, which agree in all else.
    """

    def __init__(self, parts: Sequence[Explanation]) -> None:
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...

    @overload
    def __getitem__(self, index: slice) -> "ExplanationList": ...

    def __getitem__(self, index: int | slice) -> "Explanation | ExplanationList":
        found = self._parts[index]
        return ExplanationList(found) if isinstance(found, tuple) else found

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self._parts)

    @property
    def heatmaps(self) -> list[np.ndarray]:
        """For each image float32 (T, H, W), at its resolution."""
        return [part.heatmaps[0] for part in self]

    @property
    def scores(self) -> np.ndarray:
        """Float32 (N, T), the targets' values."""
        return np.concatenate([part.scores for part in self])

    @property
    def logits(self) -> np.ndarray:
        """Float32 (N, K), all scores."""
        return np.concatenate([part.logits for part in self])

    @property
    def probabilities(self) -> np.ndarray:
        """Float32 (N, K): of what each score stands for; see `Explanation.probabilities`."""
        return np.concatenate([part.probabilities for part in self])

    @property
    def targets(self) -> list[list[str]]:
        """N lists of T names."""
        return [part.targets[0] for part in self]

    def overlay(self, **look: Any) -> list[np.ndarray]:
        """For each image uint8 (T, H, W, 3); see `Explanation.overlay`."""
        return [part.overlay(**look)[0] for part in self]

    def to_pil(self, **look: Any) -> list[list[Image.Image]]:
        """The overlays as PIL images, N lists of T; see `Explanation.overlay`."""
        return [part.to_pil(**look)[0] for part in self]

    def page(self, scale: Scale = "row") -> Panels:
        """The panels of all images, one under the other."""
        return Panels([part.page(scale) for part in self])

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of each image, "number/array"."""
        return {
            f"{number}/{name}": values
            for number, part in enumerate(self)
            for name, values in part.arrays().items()
        }

    def table(self) -> Table:
        """A row for each image and target."""
        tables = [
            {**part.table(), "image": [number] * part.scores.size}
            for number, part in enumerate(self)
        ]
        return {name: [each for table in tables for each in table[name]] for name in tables[0]}

    @property
    def summary(self) -> str:
        """The method, the model and how many images."""
        return f"{self[0].method} of {self[0].model}, {len(self)} images of different sizes"


class MixedExplanations(Results[ExplanationList]):
    """Explanations of images of different sizes by several methods, by the methods' names."""

    def page(self, scale: Scale = "row") -> Panels:
        """For each image one panel of all methods."""
        return Panels([Panel(parts, scale) for parts in zip(*self.values(), strict=True)])
