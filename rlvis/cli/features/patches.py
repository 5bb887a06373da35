"""The command `rlvis features patches`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes

from rlvis.cli.arguments import UnitNumbers
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.inputs import ImageSource, UnitScan, layer_names, tell_skipped
from rlvis.cli.features.outputs import LayerFiles
from rlvis.cli.loading import USUAL, Network, refuse_unused


def command(
    images: OmitArgPrefixes[ImageSource],
    network: OmitArgPrefixes[Network] = USUAL,
    scan: OmitArgPrefixes[UnitScan] = UnitScan(),  # noqa: B008
    units: UnitNumbers = (),
    per_image: int = 1,
    whole: bool = False,
    files: OmitArgPrefixes[LayerFiles] = LayerFiles(Path("patches.png")),  # noqa: B008
) -> None:
    """The patches of a whole image set that excite each unit of a layer most.

    Args:
        images: the images to look at.
        network: the network to look into.
        scan: how its units are looked at.
        units: a unit to show, those with the strongest activations when left out; repeat for
            several.
        per_image: how many patches of a unit may be from one image.
        whole: show whole images with the patches drawn on them.
        files: what is written.
    """
    from rlvis.features.top_patches.result import Patches
    from rlvis.features.top_patches.search import patches as find_patches

    files.check(Patches)
    scan.check()
    if units:
        refuse_unused("where units are named", rows=scan.rows != UnitScan.rows)
    inspected, opened = network.load(), images.open()
    names = layer_names(inspected, opened, scan.layers, units)
    with stoppable_progress() as on_progress:
        found = find_patches(
            inspected,
            opened,
            names,
            scan.count,
            per_image=per_image,
            on_progress=on_progress,
            **scan.options(files),
        )
    files.write_layers(found, names, units or None, whole=whole, most=scan.rows)
    tell_skipped(opened, found.skipped)
