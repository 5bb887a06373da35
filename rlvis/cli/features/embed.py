"""The command `rlvis features embed`."""

import os
from functools import partial
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.inputs import ImageSource, tell_skipped
from rlvis.cli.features.outputs import Files
from rlvis.cli.loading import USUAL, Network, refuse_unused


def command(
    images: OmitArgPrefixes[ImageSource],
    network: OmitArgPrefixes[Network] = USUAL,
    layer: str | None = None,
    method: Literal["tsne", "pca"] = "tsne",
    perplexity: float = 30,
    pool: Literal["mean", "max", "flatten"] = "mean",
    colour: str | None = None,
    seed: int = 0,
    resume: bool = False,
    grid: Path | None = None,
    files: OmitArgPrefixes[Files] = Files(Path("embedding.png")),  # noqa: B008
) -> None:
    """The codes of images in a layer, laid out in the plane.

    Args:
        images: the images to look at.
        network: the network to look into.
        layer: whose codes; what the scores are made from when left out.
        method: t-SNE or principal components.
        perplexity: of t-SNE: how many neighbours each image has.
        pool: how maps become codes.
        colour: label, action (the same, of a recording), or anything that the recording knows,
            such as value or cube_in_view.
        seed: of t-SNE.
        resume: go on with work that was stopped.
        grid: also write a page of the images themselves at their places.
        files: what is written.
    """
    from rlvis.features.embedding.figure import check_colour
    from rlvis.features.embedding.layer_codes import codes
    from rlvis.features.embedding.layout import check_layout
    from rlvis.features.embedding.plane import Embedding
    from rlvis.features.embedding.plane import embed as embed_codes

    files.check(Embedding, grid)
    if method == "pca":
        refuse_unused("for pca", perplexity=perplexity != 30, seed=seed)
    inspected, opened = network.load(), images.open()
    check_layout(len(opened), method, perplexity)
    check_colour(opened, colour)
    kept, state = files.unfinished("codes"), files.unfinished()
    with stoppable_progress() as on_progress:
        find = partial(codes, state=kept, resume=resume, on_progress=on_progress)
        found = find(inspected, opened, layer, pool=pool)
        placed = embed_codes(
            found,
            method,
            perplexity=perplexity,
            seed=seed,
            state=state,
            resume=resume and os.path.exists(state),
            on_progress=on_progress,
        )
    files.write(placed, by=colour)
    if grid is not None:
        print(placed.save(grid, by=colour, grid=True))
    kept.unlink(missing_ok=True)
    tell_skipped(opened, found.skipped)
