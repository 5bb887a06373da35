"""The command `rlvis features embed`."""

import os
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import check_outputs, write_outputs
from rlvis.cli.loading import (
    USUAL,
    Network,
    open_image_set,
    refuse_unused,
    tell_skipped,
    unfinished,
)


def command(
    images: Positional[str],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layer: str | None = None,
    method: Literal["tsne", "pca"] = "tsne",
    perplexity: float = 30,
    pool: Literal["mean", "max", "flatten"] = "mean",
    colour: str | None = None,
    seed: int = 0,
    window: str | None = None,
    out: Path = Path("embedding.png"),
    grid: Path | None = None,
    data: Path | None = None,
    resume: bool = False,
) -> None:
    """The codes of images in a layer, laid out in the plane.

    Args:
        images: a folder of pictures, a recording, an array (.npy, .npz), or mnist.
        network: the network to look into.
        layer: whose codes; what the scores are made from when left out.
        method: t-SNE or principal components.
        perplexity: of t-SNE: how many neighbours each image has.
        pool: how maps become codes.
        colour: label, action (the same, of a recording), or anything that the recording knows,
            such as value or cube_in_view.
        seed: of t-SNE.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the page of the points (.png, .jpg, .webp, .pdf, .html).
        grid: also write the images themselves at their places.
        data: also write points and codes (.npz, .safetensors, .csv).
        resume: go on with work that was stopped.
    """
    from rlvis.features.embedding.figure import check_colour
    from rlvis.features.embedding.layer_codes import codes
    from rlvis.features.embedding.layout import check_layout
    from rlvis.features.embedding.plane import Embedding
    from rlvis.features.embedding.plane import embed as embed_codes

    check_outputs(Embedding, out, grid, data)
    if method == "pca":
        refuse_unused("for pca", perplexity=perplexity != 30, seed=seed)
    inspected, opened = network.load(), open_image_set(images, window)
    check_layout(len(opened), method, perplexity)
    check_colour(opened, colour)
    kept, state = unfinished(out, "codes"), unfinished(out)
    with stoppable_progress() as on_progress:
        found = codes(
            inspected,
            opened,
            layer,
            pool=pool,
            state=kept,
            resume=resume,
            on_progress=on_progress,
        )
        placed = embed_codes(
            found,
            method,
            perplexity=perplexity,
            seed=seed,
            state=state,
            resume=resume and os.path.exists(state),
            on_progress=on_progress,
        )
    write_outputs(placed, out, data, by=colour)
    if grid is not None:
        print(placed.save(grid, by=colour, grid=True))
    kept.unlink(missing_ok=True)
    tell_skipped(opened, found.skipped)
