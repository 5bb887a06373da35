"""The command `rlvis features filters`."""

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes

from rlvis.cli.features.outputs import Files
from rlvis.cli.loading import USUAL, Network, refuse_unused
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.results import Result


def command(
    network: OmitArgPrefixes[Network] = USUAL,
    layer: str | None = None,
    image: Path | None = None,
    kernel: str | None = None,
    files: OmitArgPrefixes[Files] = Files(Path("filters.png")),  # noqa: B008
) -> None:
    """The kernels of a layer; with an image what a kernel does to it, or all activation maps.

    Args:
        network: the network to look into.
        layer: a convolution, the first one when left out.
        image: a picture.
        kernel: apply this one to the image: blur, edge, sharpen, or a learned one as layer:unit.
        files: what is written.
    """
    import numpy as np

    from rlvis.features.activations.maps import ActivationMaps, activation_maps
    from rlvis.features.kernels.applied import Filtered, apply_kernel
    from rlvis.features.kernels.weights import Filters
    from rlvis.features.kernels.weights import filters as filters_of
    from rlvis.images.loading import load_image

    if kernel is not None and image is None:
        raise InputError("a kernel needs a picture to be applied to; name one with --image")
    if image is not None and kernel is None and layer is None:
        raise InputError("name what to show of the picture: a --layer or a --kernel")
    if kernel is not None:
        refuse_unused("beside a kernel", layer=layer)
    kind = Filters if image is None else ActivationMaps if kernel is None else Filtered
    files.check(kind)
    inspected = network.load()
    found: Result
    if image is None:
        found = filters_of(inspected, layer)
    elif kernel is not None:
        found = apply_kernel(np.asarray(load_image(image)), kernel, inspected)
    else:
        found = activation_maps(inspected, image, str(layer))
    files.write(found)
