"""The command `rlvis features units`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import By, Layers
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import check_outputs, write_layers
from rlvis.cli.loading import (
    USUAL,
    Network,
    layer_names,
    open_image_set,
    tell_skipped,
    unfinished,
)
from rlvis.options import MANY, check_whole


def command(
    images: Positional[str],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layers: Layers = (),
    by: By = (),
    threshold: float | None = None,
    count: int = 9,
    rows: int = 12,
    batch_size: int = 64,
    window: str | None = None,
    out: Path = Path("units.png"),
    data: Path | None = None,
    resume: bool = False,
) -> None:
    """Which units of a layer never fire, which always, and which tell what class.

    Args:
        images: a folder of pictures, the folders in it being classes; a recording, whose classes
            are the actions that the policy preferred; an array with labels; or mnist.
        network: the network to look into.
        layers: a layer, the last spatial one when left out; repeat for several.
        by: metadata that the environment gave, to be a class in place of the labels, such as
            cube_in_view; repeat for several that exclude each other, such as cube_on_left and
            cube_on_right.
        threshold: above which a unit fires; 0 for a layer that is never negative, and the mean
            answer for others, when left out.
        count: how many patches to show of each unit.
        rows: how many units to show, those that tell their class best.
        batch_size: how many images go through the network at once.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the report to write (.png, .jpg, .webp, .pdf, .html); with several layers each one's
            name is added to the file's.
        data: also write the numbers of all units (.npz, .safetensors, .csv).
        resume: go on with work that was stopped.
    """
    from rlvis.features.selectivity.result import Selectivity
    from rlvis.features.selectivity.unit_selectivity import units as ask_units

    check_outputs(Selectivity, out, data)
    check_whole("rows", rows, 1, MANY)
    inspected, opened = network.load(), open_image_set(images, window)
    names = layer_names(inspected, opened, layers)
    with stoppable_progress() as on_progress:
        found = ask_units(
            inspected,
            opened,
            names,
            count,
            by=by,
            threshold=threshold,
            batch_size=batch_size,
            state=unfinished(out),
            resume=resume,
            on_progress=on_progress,
        )
    write_layers(found, out, data, names, most=rows)
    tell_skipped(opened, found.patches.skipped)
