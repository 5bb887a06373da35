"""The command `rlvis features patches`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import Layers, UnitNumbers
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import check_outputs, write_layers
from rlvis.cli.loading import (
    USUAL,
    Network,
    layer_names,
    open_image_set,
    refuse_unused,
    tell_skipped,
    unfinished,
)
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
        out: the page to write (.png, .jpg, .webp, .pdf, .html); with several layers each one's name
            is added to the file's.
        data: also write the numbers of all units (.npz, .safetensors, .csv).
        resume: go on with work that was stopped.
    """
    from rlvis.features.top_patches.result import Patches
    from rlvis.features.top_patches.search import patches as find_patches

    check_outputs(Patches, out, data)
    check_whole("rows", rows, 1, MANY)
    if units:
        refuse_unused("where units are named", rows=rows != 12)
    inspected, opened = network.load(), open_image_set(images, window)
    names = layer_names(inspected, opened, layers, units)
    with stoppable_progress() as on_progress:
        found = find_patches(
            inspected,
            opened,
            names,
            count,
            per_image=per_image,
            batch_size=batch_size,
            state=unfinished(out),
            resume=resume,
            on_progress=on_progress,
        )
    write_layers(found, out, data, names, units or None, whole=whole, most=rows)
    tell_skipped(opened, found.skipped)
