"""Models, policies and images as the command line names them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.errors import InputError
from rlvis.zoo.source import ModelSource
from rlvis.zoo.source import refuse_unused as refuse_unused

if TYPE_CHECKING:
    from rlvis.features.image_sets.image_set import ImageSet
    from rlvis.models.image_model import ImageModel
    from rlvis.models.policy import Policy


@dataclass(frozen=True)
class Network(ModelSource):
    __doc__ = ModelSource.__doc__

    def load(self) -> "ImageModel":
        """See `rlvis.load_model`."""
        from rlvis.zoo.loading import load_model

        return load_model(self)

    def load_policy(self) -> "Policy":
        """A policy that is given observations as they are."""
        from rlvis.zoo.loading import load_playing_policy

        return load_playing_policy(self)


USUAL = Network()


def agents_package() -> Any:
    try:
        import rlvis_agents
    except ModuleNotFoundError as error:
        raise InputError(
            f"policies need {error.name}; install it with: pip install 'rlvis[agents]'"
        ) from None
    return rlvis_agents


def unfinished(out: Path, what: str = "unfinished") -> Path:
    """The file beside a picture in which work on it is kept when it is stopped."""
    return out.with_name(f"{out.stem}.{what}.npz")


def open_image_set(path: str, window: str | None = None) -> "ImageSet":
    """The images at a path; see `rlvis.features.image_sets.image_set`.

    Args:
        path: the folder or file.
        window: "low,high", the values that become black and white.
    """
    from rlvis.features.image_sets.image_set import open_images
    from rlvis.images.depth import read_window

    return open_images(path, None if window is None else read_window(window))


def picture_through(path: Path, window: str | None) -> Any:
    """A picture as tools take it: the path, or what is seen of the file through a window.

    Raises:
        InputError: if the window is none, or the picture has 8 bits, of which all are seen.
    """
    from rlvis.images.depth import read_window, windows_used
    from rlvis.images.loading import as_images

    if window is None:
        return path
    with windows_used() as used:
        pixels = as_images(path, read_window(window))
    if not used:
        raise InputError(f"{path} has 8 bits, of which all are seen; leave --window out")
    return pixels


def layer_names(
    model: "ImageModel", images: "ImageSet", layers: Sequence[str], units: Sequence[int] = ()
) -> list[str]:
    """The layers asked for, else the last spatial one; that have these units."""
    from rlvis.features.activations.units import UnitReader, check_unit
    from rlvis.features.image_sets.image_set import BatchReader
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
