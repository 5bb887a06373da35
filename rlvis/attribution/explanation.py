"""An explanation: what one method says of images, one image of it at a time, drawn and saved."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from rlvis.attribution.heatmaps import Heatmaps, concatenate, resize_maps
from rlvis.attribution.panel import Panel
from rlvis.attribution.panel_parts import Scale, check_scale, full_strengths
from rlvis.display.colormaps import MOST_OPAQUE, check_colormap
from rlvis.display.overlays import grey, overlay
from rlvis.images.frames import picture_of
from rlvis.results import Result, Results, Table

__all__ = ["Explanation", "Explanations", "concatenate", "resize_maps"]


@dataclass(frozen=True, repr=False, eq=False)
class Explanation(Heatmaps, Result):
    """What one method says about N images and T targets; see `Heatmaps` for its attributes.

    `len(why)` is N; `why[0]`, `why[2:5]` and iteration give explanations of these images alone.
    """

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | slice) -> "Explanation":
        """The explanation of one image, or of those of a slice.

        Raises:
            IndexError: if there is no such image.
        """
        part = index if isinstance(index, slice) else _alone(range(len(self))[index])
        return replace(
            self,
            images=self.images[part],
            maps=self.maps[part],
            scores=self.scores[part],
            targets=self.targets[part],
            logits=self.logits[part],
            value=None if self.value is None else self.value[part],
        )

    def __iter__(self) -> "Iterator[Explanation]":
        return (self[index] for index in range(len(self)))

    def page(self, scale: Scale = "row") -> Panel:
        """The labelled panel; see `panel_picture.draw_panel`."""
        return Panel([self], scale)

    def panel(self, scale: Scale = "row") -> Image.Image:
        """The labelled panel as a picture; see `panel_picture.draw_panel`."""
        return self.page(scale).picture()

    def overlay(
        self,
        *,
        colormap: str | None = None,
        opacity: float = MOST_OPAQUE,
        scale: Scale = "row",
    ) -> np.ndarray:
        """The heatmaps over the grey pictures, without a word, at the pictures' own resolution.

        Where a map says little (see `notes`) or the network saw nothing, only the picture is there.

        Args:
            colormap: one of `rlvis.display.colormaps.COLORMAPS`: "heat" where left out, for signed
                maps "amber-blue"; also turbo, viridis, magma, red-blue. Signed maps run through all
                colours of any of them, what speaks against the target first, with nothing in their
                middle; others through the sequential ones, and the upper half of red-blue.
            opacity: of the strongest heat, 0..1.
            scale: what full strength stands for; see `panel_picture.draw_panel`.

        Returns:
            uint8 (N, T, H, W, 3).

        Raises:
            InputError: if there is no such colour map or scale, or the opacity is not 0..1.
        """
        check_colormap(colormap, opacity)
        check_scale(scale)
        heatmaps = self.heatmaps
        drawn = np.empty((*heatmaps.shape, 3), np.uint8)
        for index, image in enumerate(self.images):
            ground = grey(picture_of(image, self.frames))
            limits = full_strengths(self, index, scale)
            for target, notes in enumerate(self.notes[index]):
                limit = 0.0 if notes else limits[target]
                heat = heatmaps[index, target]
                drawn[index, target] = overlay(ground, heat, limit, self.signed, colormap, opacity)
        return drawn

    def to_pil(
        self,
        *,
        colormap: str | None = None,
        opacity: float = MOST_OPAQUE,
        scale: Scale = "row",
    ) -> list[list[Image.Image]]:
        """The overlays as PIL images, N lists of T; see `overlay`."""
        drawn = self.overlay(colormap=colormap, opacity=opacity, scale=scale)
        return [[Image.fromarray(each) for each in row] for row in drawn]

    def arrays(self) -> dict[str, np.ndarray]:
        """Images, maps at their own and heatmaps at the images' resolution, scores and names."""
        found = {
            "images": self.images,
            "maps": self.maps,
            "heatmaps": self.heatmaps,
            "scores": self.scores,
            "logits": self.logits,
            "probabilities": self.probabilities,
            "targets": np.array(self.targets),
            "labels": np.array(self.labels),
        }
        return found if self.value is None else {**found, "value": self.value}

    def table(self) -> Table:
        """A row for each image and target."""
        images, targets = self.scores.shape
        count = images * targets
        units = self.score_units or ("score",) * targets
        return {
            "image": np.repeat(range(images), targets),
            "target": [name for row in self.targets for name in row],
            "score": self.scores.ravel(),
            "unit": [*units] * images,
            "probability": self.target_probabilities.ravel(),
            "method": [self.method] * count,
            "map_sum": self.maps.sum(axis=(2, 3)).ravel(),
            "map_unit": [*self.map_units] * images,
            "note": ["; ".join(notes) for row in self.notes for notes in row],
        }

    @property
    def target_probabilities(self) -> np.ndarray:
        """Float32 (N, T), NaN for targets that are no label, or that have none."""
        probabilities = self.probabilities
        found = np.full(self.scores.shape, np.nan, np.float32)
        for index, names in enumerate(self.targets):
            for target, name in enumerate(names):
                if name in self.labels:
                    found[index, target] = probabilities[index, self.labels.index(name)]
        return found

    @property
    def summary(self) -> str:
        """The method, the model and how many images and targets."""
        images, targets = self.scores.shape
        shown = ", ".join(self.targets[0][:3]) + ", …" * (targets > 3) if images else ""
        return (
            f"{self.method} of {self.model}, {images} image{'s' * (images != 1)}, "
            f"{targets} target{'s' * (targets != 1)} ({shown})"
        )


def _alone(index: int) -> slice:
    return slice(index, index + 1)


class Explanations(Results[Explanation]):
    """Explanations of the same images and targets by several methods, by the methods' names."""

    def page(self, scale: Scale = "row") -> Panel:
        """One panel of all of them; see `panel_picture.draw_panel`.

        Raises:
            InputError: if there are none, or they are of no images.
        """
        return Panel(list(self.values()), scale)
