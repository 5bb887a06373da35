"""Pictures, image sets and passes over them as the command line names them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from rlvis.cli.arguments import Layers
from rlvis.errors import InputError
from rlvis.options import MANY, check_whole

if TYPE_CHECKING:
    from rlvis.cli.features.outputs import Files
    from rlvis.features.image_sets.image_set import ImageSet
    from rlvis.models.image_model import ImageModel


@dataclass(frozen=True)
class DepthWindow:
    """How pictures of more than 8 bits are seen.

    Attributes:
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
    """

    window: str | None = None

    def open_images(self, path: str) -> "ImageSet":
        """The images at a path; see `rlvis.features.image_sets.image_set`.

        Args:
            path: the folder or file.
        """
        from rlvis.features.image_sets.image_set import open_images
        from rlvis.images.depth import read_window

        return open_images(path, None if self.window is None else read_window(self.window))

    def picture(self, path: Path) -> Any:
        """A picture as tools take it: the path, or what is seen of the file through the window.

        Raises:
            InputError: if the window is none, or the picture has 8 bits, of which all are seen.
        """
        from rlvis.images.depth import read_window, windows_used
        from rlvis.images.loading import as_images

        if self.window is None:
            return path
        with windows_used() as used:
            pixels = as_images(path, read_window(self.window))
        if not used:
            raise InputError(f"{path} has 8 bits, of which all are seen; leave --window out")
        return pixels


ANY_DEPTH = DepthWindow()


@dataclass(frozen=True, kw_only=True)
class ImageSource(DepthWindow):
    """The images to look at.

    Attributes:
        images: a folder of pictures, the folders in it being classes; a recording, whose classes
            are the actions that the policy preferred; an array (.npy, or .npz with labels); or
            mnist.
    """

    images: Positional[str]

    def open(self) -> "ImageSet":
        """These images; see `open_images`."""
        return self.open_images(self.images)


@dataclass(frozen=True)
class UnitScan:
    """How the units of layers are looked at over all images.

    Attributes:
        layers: a layer, the last spatial one when left out; repeat for several.
        count: how many patches to show of each unit.
        rows: how many units to show, those that stand out most, where none is named.
        batch_size: how many images go through the network at once.
        resume: go on with work that was stopped.
    """

    layers: Layers = ()
    count: int = 9
    rows: int = 12
    batch_size: int = 64
    resume: bool = False

    def check(self) -> None:
        """Refuse numbers that are not positive."""
        check_whole("rows", self.rows, 1, MANY)

    def options(self, files: "Files") -> dict[str, Any]:
        """How the pass is made, as `patches` and `units` take it."""
        return {
            "batch_size": self.batch_size,
            "state": files.unfinished(),
            "resume": self.resume,
        }


def layer_names(
    model: "ImageModel", images: "ImageSet", layers: Sequence[str], units: Sequence[int] = ()
) -> list[str]:
    """The layers asked for, else the last spatial one; that have these units."""
    from rlvis.features.activations.units import UnitReader, check_unit
    from rlvis.features.image_sets.batches import BatchReader
    from rlvis.instrument.layers import resolve_layer

    for batch in BatchReader(images, model, 1):
        names = list(dict.fromkeys(layers))
        names = names or [resolve_layer(model, batch.inputs, None, batch.context)]
        counts = UnitReader.of(model, batch.inputs, names, batch.context).counts
        for name, count in counts.items():
            for unit in units:
                check_unit(name, unit, count)
        return names
    raise InputError(f"none of the {len(images)} images of {images.name} can be read")


def tell_skipped(images: "ImageSet", skipped: dict[int, str]) -> None:
    """Say on standard error which images could not be read, if any."""
    from rlvis.features.image_sets.image_pass import skipped_line

    if skipped:
        print(f"rlvis: {skipped_line(images, skipped)}", file=sys.stderr)
