"""`rlvis features filters`, `embed` and `project`: what is in a network."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.loading import (
    USUAL,
    Network,
    check_outputs,
    layer_names,
    open_image_set,
    picture_through,
    refuse_unused,
    tell_skipped,
    unfinished,
)
from rlvis.cli.progress import progress
from rlvis.errors import InputError

Layers = Annotated[UseAppendAction[tuple[str, ...]], arg(name="layer", aliases=["-l"])]
Units = Annotated[UseAppendAction[tuple[int, ...]], arg(name="unit", aliases=["-u"])]


def filters(
    network: OmitArgPrefixes[Network] = USUAL,
    layer: str | None = None,
    image: Path | None = None,
    kernel: str | None = None,
    out: Path = Path("filters.png"),
    data: Path | None = None,
) -> None:
    """The kernels of a layer; with an image what a kernel does to it, or all activation maps.

    Args:
        network: the network to look into.
        layer: a convolution, the first one when left out.
        image: a picture.
        kernel: apply this one to the image: blur, edge, sharpen, or a learned one as layer:unit.
        out: the picture to write.
        data: also write the numbers (.npz or .safetensors).
    """
    import numpy as np

    from rlvis.features.activations.maps import activation_maps
    from rlvis.features.kernels.applied import apply_kernel
    from rlvis.features.kernels.weights import filters as filters_of
    from rlvis.images.loading import load_image

    check_outputs(out, data)
    if kernel is not None and image is None:
        raise InputError("a kernel needs a picture to be applied to; name one with --image")
    if image is not None and kernel is None and layer is None:
        raise InputError("name what to show of the picture: a --layer or a --kernel")
    if kernel is not None:
        refuse_unused("beside a kernel", layer=layer)
    inspected = network.load()
    found: Any
    if image is None:
        found = filters_of(inspected, layer)
    elif kernel is not None:
        found = apply_kernel(np.asarray(load_image(image)), kernel, inspected)
    else:
        found = activation_maps(inspected, image, str(layer))
    print(found.save(out))
    if data is not None:
        print(found.save_data(data))


def embed(
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


def project(
    image: Positional[Path | None] = None,
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layers: Layers = (),
    units: Units = (),
    rule: Literal["deconvnet", "guided", "plain"] = "deconvnet",
    images: str | None = None,
    count: int = 9,
    window: str | None = None,
    out: Path = Path("projection.png"),
    data: Path | None = None,
) -> None:
    """Units' strongest activations back to pixels, layer after layer: of a picture, or of the
    images of a set that excite each unit most.

    Args:
        image: the picture.
        network: the network to look into.
        layers: a layer, the last spatial one when left out; repeat for several.
        units: a unit of each layer, the most active ones when left out; repeat for several.
        rule: how the way back crosses ReLUs: deconvnet, guided backpropagation, plain gradient.
        images: in place of a picture a set of them: each unit's strongest patches and beside them
            their projections.
        count: how many patches of each unit.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the picture to write.
        data: also write the projections (.npz or .safetensors), of one picture and layer.
    """
    from rlvis.display.page import save_picture
    from rlvis.features.projection.backward import projection_sheet
    from rlvis.features.projection.zeiler_fergus import strongest_projections
    from rlvis.features.top_patches.result import patches
    from rlvis.instrument.layers import resolve_layer

    check_outputs(out, data)
    if (image is None) == (images is None):
        raise InputError("name either a picture or a set of images with --images")
    if data is not None and (images or len(layers) > 1):
        raise InputError("--data takes one picture and layer; leave it out")
    if images is None:
        refuse_unused("without --images", count=count != 9)
    inspected = network.load()
    if images is not None:
        opened = open_image_set(images, window)
        named = layer_names(inspected, opened, layers, units)
        with progress("image") as (start, advance):
            start(len(opened), "patches")
            found = patches(inspected, opened, named, count, on_batch=lambda done: advance(to=done))
        print(save_picture(strongest_projections(inspected, found, units, rule), out))
        tell_skipped(opened, found.skipped)
        return
    assert image is not None
    seen = picture_through(image, window)
    chosen = layers or (resolve_layer(inspected, inspected.inputs(seen), None, {}),)
    picture, projected = projection_sheet(inspected, seen, chosen, rule, units or None)
    print(save_picture(picture, out))
    if data is not None:
        print(projected[0].save_data(data))
