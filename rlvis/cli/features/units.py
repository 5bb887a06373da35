"""The command `rlvis features units`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes

from rlvis.cli.arguments import By
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.inputs import ImageSource, UnitScan, layer_names, tell_skipped
from rlvis.cli.features.outputs import LayerFiles
from rlvis.cli.loading import USUAL, Network


def command(
    images: OmitArgPrefixes[ImageSource],
    network: OmitArgPrefixes[Network] = USUAL,
    scan: OmitArgPrefixes[UnitScan] = UnitScan(),  # noqa: B008
    by: By = (),
    threshold: float | None = None,
    files: OmitArgPrefixes[LayerFiles] = LayerFiles(Path("units.png")),  # noqa: B008
) -> None:
    """Which units of a layer never fire, which always, and which tell what class.

    Args:
        images: the images to look at.
        network: the network to look into.
        scan: how its units are looked at.
        by: metadata that the environment gave, to be a class in place of the labels, such as
            cube_in_view; repeat for several that exclude each other, such as cube_on_left and
            cube_on_right.
        threshold: above which a unit fires; 0 for a layer that is never negative, and the mean
            answer for others, when left out.
        files: what is written.
    """
    from rlvis.features.selectivity.result import Selectivity
    from rlvis.features.selectivity.unit_selectivity import units as ask_units

    files.check(Selectivity)
    scan.check()
    inspected, opened = network.load(), images.open()
    names = layer_names(inspected, opened, scan.layers)
    how = {"by": by, "threshold": threshold, **scan.options(files)}
    with stoppable_progress() as on_progress:
        found = ask_units(inspected, opened, names, scan.count, on_progress=on_progress, **how)
    files.write_layers(found, names, most=scan.rows)
    tell_skipped(opened, found.patches.skipped)
