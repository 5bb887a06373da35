"""Codes in the plane: their layout, how far it can be trusted, and its pages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rlvis.deprecation import DONE_AND_TOTAL, renamed_parameters
from rlvis.display.page import Page
from rlvis.errors import InputError
from rlvis.features.embedding.figure import grid_page, scatter_page
from rlvis.features.embedding.layer_codes import Codes
from rlvis.features.embedding.layout import Layout, check_layout, principal_components, tsne
from rlvis.features.embedding.neighbourhood import evenly, neighbours, shared, trustworthiness
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.progress import OnProgress, reporter
from rlvis.results import Result, Table


@dataclass(frozen=True, repr=False, eq=False)
class Embedding(Result):
    """Codes in the plane.

    Attributes:
        codes: of the images.
        points: float32 (N, 2).
        method: how, with its settings.
        neighbours: how many nearest others both measures below look at: `NEIGHBOURS`, or fewer
            where there are few images.
        trustworthiness: 0..1, how far the neighbours in the plane are neighbours among the codes
            (Venna & Kaski 2001, eq. 2).
        preserved: 0..1, the share of the nearest codes of an image that are among its nearest in
            the plane. Both are measured on at most 5,000 images, evenly drawn.
    """

    codes: Codes
    points: np.ndarray
    method: str
    neighbours: int
    trustworthiness: float
    preserved: float

    def page(
        self, images: ImageSet | None = None, by: str | None = None, *, grid: bool = False
    ) -> Page:
        """A point per image, or the images themselves at their places.

        Args:
            images: that the codes are of; known where `codes` made them.
            by: what colours the points or frames the images: "label" (of a recording the action,
                which "action" names too), or one of the set's `metadata`; the label if there is
                one and this is left out.
            grid: show the images themselves, each in the free cell nearest to its place. The cells
                are shared out so that the squared distances to the places are least in sum (the
                assignment problem); of more than 2,500 images as many are shown, evenly drawn.

        Raises:
            InputError: if the set knows nothing of that name, or the images are not known.
        """
        images = images or self.codes.image_set
        if images is None:
            raise InputError("these codes do not know their images; give the image set, too")
        draw = grid_page if grid else scatter_page
        return draw(self.points, self.codes, self._lines, images, by)

    @property
    def _lines(self) -> list[str]:
        codes = self.codes
        pooled = "" if codes.layer.startswith("input") else f", {codes.pool} over places"
        return [
            f"layer: {codes.layer}{pooled}, {codes.values.shape[1]} numbers per image; "
            f"{self.method}",
            f"trustworthiness {self.trustworthiness:.3f}; {self.preserved:.0%} of the "
            f"{self.neighbours} nearest codes are among the nearest in the plane",
        ]

    def arrays(self) -> dict[str, np.ndarray]:
        """Points and codes."""
        return {"points": self.points, "codes": self.codes.values, "indices": self.codes.indices}

    def table(self) -> Table:
        """A row for each image: its number, and its place."""
        return {"image": self.codes.indices, "x": self.points[:, 0], "y": self.points[:, 1]}

    @property
    def summary(self) -> str:
        """How many images of what, and how."""
        return f"{len(self.points)} images of {self.codes.images}, {self.method}"


@renamed_parameters(on_step=DONE_AND_TOTAL)
def embed(
    codes: Codes,
    method: Layout = "tsne",
    *,
    perplexity: float = 30,
    seed: int = 0,
    state: str | Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
) -> Embedding:
    """Lay codes out in the plane.

    Args:
        codes: of at least 8 images.
        method: "tsne" or "pca".
        perplexity: of t-SNE, how many neighbours each image has, smoothly counted.
        seed: of t-SNE.
        state: a file (.npz) in which t-SNE keeps its progress, every half minute and when it is
            stopped; removed at the end.
        resume: go on from that file (the optimizer's momentum starts anew).
        on_progress: called every 50 iterations of t-SNE; see `rlvis.progress`.

    Raises:
        InputError: if there are too few codes, the perplexity is too large for them, the method
            does not exist, the extra that has t-SNE is missing, or `state` holds other work.
        Stopped: if `on_progress` raised KeyboardInterrupt, the state having been kept.
    """
    count = len(codes.values)
    check_layout(count, method, perplexity)
    if not np.isfinite(codes.values).all():
        raise InputError("the codes are not finite; check the network")
    if method == "pca":
        points, share = principal_components(codes.values)
        name = f"principal components, {share:.0%} of the variance"
    else:
        points = tsne(codes.values, perplexity, seed, state, resume, reporter(on_progress))
        name = f"t-SNE, perplexity {perplexity:g}"
    few = evenly(count)
    values, shown = codes.values[few], points[few]
    nearest = neighbours(values), neighbours(shown)
    return Embedding(
        codes,
        points,
        name,
        nearest[0].shape[1],
        trustworthiness(values, shown),
        shared(*nearest),
    )


def scatter(embedding: Embedding, images: ImageSet, by: str | None = None) -> Image.Image:
    """A picture with a point per image; see `Embedding.page`."""
    return embedding.page(images, by).picture()


def image_grid(embedding: Embedding, images: ImageSet, by: str | None = None) -> Image.Image:
    """A picture of the images themselves at their places; see `Embedding.page`."""
    return embedding.page(images, by, grid=True).picture()
