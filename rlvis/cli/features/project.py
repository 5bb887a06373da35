"""The command `rlvis features project`."""

from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import Layers, UnitNumbers
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import check_outputs, write_outputs
from rlvis.cli.loading import (
    USUAL,
    Network,
    layer_names,
    open_image_set,
    picture_through,
    refuse_unused,
    tell_skipped,
)
from rlvis.errors import InputError


def command(
    image: Positional[Path | None] = None,
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    layers: Layers = (),
    units: UnitNumbers = (),
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
        out: the page to write (.png, .jpg, .webp, .pdf, .html), or the numbers as for data.
        data: also write the projections (.npz, .safetensors, .csv).
    """
    from rlvis.features.projection.backward import LayerProjections, project_layers
    from rlvis.features.projection.zeiler_fergus import ProjectedPatches, project_patches
    from rlvis.features.top_patches.search import patches
    from rlvis.instrument.layers import resolve_layer

    check_outputs(LayerProjections if images is None else ProjectedPatches, out, data)
    if (image is None) == (images is None):
        raise InputError("name either a picture or a set of images with --images")
    if images is None:
        refuse_unused("without --images", count=count != 9)
    inspected = network.load()
    if images is not None:
        opened = open_image_set(images, window)
        named = layer_names(inspected, opened, layers, units)
        with stoppable_progress() as on_progress:
            found = patches(inspected, opened, named, count, on_progress=on_progress)
            projected = project_patches(inspected, found, units, rule, on_progress=on_progress)
        write_outputs(projected, out, data)
        tell_skipped(opened, found.skipped)
        return
    assert image is not None
    seen = picture_through(image, window)
    chosen = layers or (resolve_layer(inspected, inspected.inputs(seen), None, {}),)
    write_outputs(project_layers(inspected, seen, chosen, rule, units or None), out, data)
