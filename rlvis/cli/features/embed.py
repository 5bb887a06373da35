"""The command `rlvis features embed`."""

import os
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.loading import (
    USUAL,
    Network,
    check_outputs,
    open_image_set,
    refuse_unused,
    tell_skipped,
    unfinished,
)
from rlvis.cli.progress import progress


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
        out: the picture of the points.
        grid: also write the images themselves at their places.
        data: also write points and codes (.npz or .safetensors).
        resume: go on with work that was stopped.
    """
    from rlvis.display.page import save_picture
    from rlvis.features.embedding.figure import check_colour, image_grid, scatter
    from rlvis.features.embedding.layer_codes import codes
    from rlvis.features.embedding.plane import check_layout
    from rlvis.features.embedding.plane import embed as embed_codes

    check_outputs(out, data)
    check_outputs(grid)
    if method == "pca":
        refuse_unused("for pca", perplexity=perplexity != 30, seed=seed)
    inspected, opened = network.load(), open_image_set(images, window)
    check_layout(len(opened), method, perplexity)
    check_colour(opened, colour)
    kept, state = unfinished(out, "codes"), unfinished(out)
    with progress("image") as (start, advance):
        start(len(opened), "codes")
        found = codes(
            inspected,
            opened,
            layer,
            pool=pool,
            state=kept,
            resume=resume,
            on_batch=lambda done: advance(to=done),
        )
    with progress("iteration") as (start, advance):

        def step(done: int, wanted: int) -> None:
            start(wanted, "t-SNE")
            advance(to=done)

        placed = embed_codes(
            found,
            method,
            perplexity=perplexity,
            seed=seed,
            state=state,
            resume=resume and os.path.exists(state),
            on_step=step,
        )
    print(save_picture(scatter(placed, opened, colour), out))
    if grid is not None:
        print(save_picture(image_grid(placed, opened, colour), grid))
    if data is not None:
        print(placed.save_data(data))
    kept.unlink(missing_ok=True)
    tell_skipped(opened, found.skipped)
