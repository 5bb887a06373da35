"""The command `rlvis features project`."""

from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import Layers, UnitNumbers
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.inputs import ANY_DEPTH, DepthWindow, layer_names, tell_skipped
from rlvis.cli.features.outputs import Files
from rlvis.cli.loading import USUAL, Network, refuse_unused
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
    depth: OmitArgPrefixes[DepthWindow] = ANY_DEPTH,
    files: OmitArgPrefixes[Files] = Files(Path("projection.png")),  # noqa: B008
) -> None:
    """Units' strongest activations back to pixels, layer after layer.

    They are those of a picture, or of the images of a set that excite each unit most.

    Args:
        image: the picture.
        network: the network to look into.
        layers: a layer, the last spatial one when left out; repeat for several.
        units: a unit of each layer, the most active ones when left out; repeat for several.
        rule: how the way back crosses ReLUs: deconvnet, guided backpropagation, plain gradient.
        images: in place of a picture a set of them: each unit's strongest patches and beside them
            their projections.
        count: how many patches of each unit.
        depth: how pictures of more than 8 bits are seen.
        files: what is written.
    """
    from rlvis.features.projection.backward import LayerProjections, project_layers
    from rlvis.features.projection.zeiler_fergus import ProjectedPatches, project_patches
    from rlvis.features.top_patches.search import patches
    from rlvis.instrument.layers import resolve_layer

    files.check(LayerProjections if images is None else ProjectedPatches)
    if (image is None) == (images is None):
        raise InputError("name either a picture or a set of images with --images")
    if images is None:
        refuse_unused("without --images", count=count != 9)
    inspected = network.load()
    if images is not None:
        opened = depth.open_images(images)
        named = layer_names(inspected, opened, layers, units)
        with stoppable_progress() as on_progress:
            found = patches(inspected, opened, named, count, on_progress=on_progress)
            projected = project_patches(inspected, found, units, rule, on_progress=on_progress)
        files.write(projected)
        tell_skipped(opened, found.skipped)
        return
    assert image is not None
    seen = depth.picture(image)
    chosen = layers or (resolve_layer(inspected, inspected.inputs(seen), None, {}),)
    files.write(project_layers(inspected, seen, chosen, rule, units or None))
