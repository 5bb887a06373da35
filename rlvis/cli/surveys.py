"""`rlvis features patches` and `units`: a whole image set through a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.loading import (
    USUAL,
    Network,
    check_outputs,
    layer_names,
    open_image_set,
    refuse_unused,
    tell_skipped,
    unfinished,
)
from rlvis.cli.looking import Layers, Units
from rlvis.cli.progress import progress
from rlvis.options import MANY, check_whole

Facts = Annotated[UseAppendAction[tuple[str, ...]], arg(name="by")]


def patches(
    images: Positional[str],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layers: Layers = (),
    count: int = 9,
    per_image: int = 1,
    units: Units = (),
    rows: int = 12,
    whole: bool = False,
    batch_size: int = 64,
    window: str | None = None,
    out: Path = Path("patches.png"),
    data: Path | None = None,
    resume: bool = False,
) -> None:
    """The patches of a whole image set that excite each unit of a layer most.

    Args:
        images: a folder of pictures, a recording, an array (.npy, .npz), or mnist.
        network: the network to look into.
        layers: a layer, the last spatial one when left out; repeat for several.
        count: how many patches of each unit.
        per_image: how many of them may be from one image.
        units: a unit to show, those with the strongest activations when left out; repeat for
            several.
        rows: how many units to show where none is named.
        whole: show whole images with the patches drawn on them.
        batch_size: how many images go through the network at once.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the picture to write; with several layers each one's name is added to the file's.
        data: also write the numbers of all units (.npz or .safetensors).
        resume: go on with work that was stopped.
    """
    from rlvis.features.top_patches.result import patches as find_patches

    check_outputs(out, data)
    check_whole("rows", rows, 1, MANY)
    if units:
        refuse_unused("where units are named", rows=rows != 12)
    inspected, opened = network.load(), open_image_set(images, window)
    names = layer_names(inspected, opened, layers, units)
    with progress("image") as (start, advance):
        start(len(opened), "patches")
        found = find_patches(
            inspected,
            opened,
            names,
            count,
            per_image=per_image,
            batch_size=batch_size,
            state=unfinished(out),
            resume=resume,
            on_batch=lambda done: advance(to=done),
        )
    for layer in names:
        print(found.save(_path(out, layer, names), layer, units or None, whole=whole, most=rows))
    if data:
        print(found.save_data(data))
    tell_skipped(opened, found.skipped)


def units(
    images: Positional[str],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layers: Layers = (),
    by: Facts = (),
    threshold: float | None = None,
    count: int = 9,
    rows: int = 12,
    batch_size: int = 64,
    window: str | None = None,
    out: Path = Path("units.png"),
    data: Path | None = None,
) -> None:
    """Which units of a layer never fire, which always, and which tell what class.

    Args:
        images: a folder of pictures, the folders in it being classes; a recording, whose classes
            are the actions that the policy preferred; an array with labels; or mnist.
        network: the network to look into.
        layers: a layer, the last spatial one when left out; repeat for several.
        by: a fact that the environment told, to be a class in place of the labels, such as
            cube_in_view; repeat for several that exclude each other, such as cube_on_left and
            cube_on_right.
        threshold: above which a unit fires; 0 for a layer that is never negative, and the mean
            answer for others, when left out.
        count: how many patches to show of each unit.
        rows: how many units to show, those that tell their class best.
        batch_size: how many images go through the network at once.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the report to write, a picture or a page (.html); with several layers each one's name
            is added to the file's.
        data: also write the numbers of all units (.npz or .safetensors).
    """
    from rlvis.features.selectivity.result import PAGES
    from rlvis.features.selectivity.result import units as ask_units

    check_outputs(out, data, PAGES)
    check_whole("rows", rows, 1, MANY)
    inspected, opened = network.load(), open_image_set(images, window)
    names = layer_names(inspected, opened, layers)
    with progress("image") as (start, advance):
        start(len(opened), "units")
        found = ask_units(
            inspected,
            opened,
            names,
            count,
            by=by,
            threshold=threshold,
            batch_size=batch_size,
            on_batch=lambda done: advance(to=done),
        )
    for layer in names:
        print(found.save(_path(out, layer, names), layer, most=rows))
    if data:
        print(found.save_data(data))
    tell_skipped(opened, found.patches.skipped)


def _path(out: Path, layer: str, layers: Sequence[str]) -> Path:
    return out if len(layers) == 1 else out.with_name(f"{out.stem}-{layer}{out.suffix}")
