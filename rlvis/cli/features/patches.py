"""The command `rlvis features patches`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import Layers, UnitNumbers
from rlvis.cli.loading import (
    USUAL,
    Network,
    check_outputs,
    layer_names,
    layer_path,
    open_image_set,
    refuse_unused,
    tell_skipped,
    unfinished,
)
from rlvis.cli.progress import progress
from rlvis.options import MANY, check_whole


def command(
    images: Positional[str],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layers: Layers = (),
    count: int = 9,
    per_image: int = 1,
    units: UnitNumbers = (),
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
        print(
            found.save(layer_path(out, layer, names), layer, units or None, whole=whole, most=rows)
        )
    if data:
        print(found.save_data(data))
    tell_skipped(opened, found.skipped)
