"""The commands `rlvis features patches` and `rlvis features units`, on what was loaded for them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rlvis.errors import InputError
from rlvis.features.image_set import ImageSet, Reading
from rlvis.features.patches import patches as find_patches
from rlvis.features.patches import skipped_line
from rlvis.features.units import units as ask_units
from rlvis.layers import resolve_layer
from rlvis.model import ImageModel


def patches(
    model: ImageModel,
    images: ImageSet,
    layers: tuple[str, ...] = (),
    k: int = 9,
    per_image: int = 1,
    units: tuple[int, ...] = (),
    rows: int = 12,
    whole: bool = False,
    batch_size: int = 64,
    out: Path = Path("patches.png"),
    data: Path | None = None,
    resume: bool = False,
    on_batch: Callable[[int], None] | None = None,
) -> None:
    """Find the patches of a whole image set that excite each unit of a layer most.

    Args:
        model: a classifier or policy.
        images: a folder of pictures, a recording, or an array.
        layers: a layer, the last spatial one when left out; repeat for several.
        k: how many patches of each unit.
        per_image: how many of them may be from one image.
        units: a unit to show, those with the strongest activations when left out; repeat for
            several.
        rows: how many units to show where none is named.
        whole: show whole images with the patches drawn on them.
        batch_size: how many images go through the network at once.
        out: the picture to write; with several layers each one's name is added to the file's.
        data: also write the numbers of all units (.npz).
        resume: go on with work that was stopped.
        on_batch: called with the number of images done.

    Raises:
        InputError: if the input is wrong.
        Stopped: after Ctrl-C; the message says how to go on.
    """
    state = out.with_name(f"{out.stem}.unfinished.npz")
    names = _layers(model, images, layers)
    found = find_patches(
        model,
        images,
        names,
        k,
        per_image=per_image,
        batch_size=batch_size,
        state=state,
        resume=resume,
        on_batch=on_batch,
    )
    for layer in names:
        print(found.save(_path(out, layer, names), layer, units or None, whole=whole, most=rows))
    if data:
        print(found.save_data(data))
    if found.skipped:
        print(skipped_line(images, found.skipped))


def units(
    model: ImageModel,
    images: ImageSet,
    layers: tuple[str, ...] = (),
    by: tuple[str, ...] = (),
    threshold: float | None = None,
    k: int = 9,
    rows: int = 12,
    batch_size: int = 64,
    out: Path = Path("units.png"),
    data: Path | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> None:
    """Report which units of a layer never fire, which always, and which tell what class.

    Args:
        model: a classifier or policy.
        images: a folder of pictures, the folders in it being classes; a recording, whose classes
            are the actions that the policy preferred; or an array with labels.
        layers: a layer, the last spatial one when left out; repeat for several.
        by: a fact that the environment told, to be a class in place of the labels, such as
            cube_in_view; repeat for several that exclude each other, such as cube_on_left and
            cube_on_right.
        threshold: above which a unit fires; 0 for a layer that is never negative, and the mean
            answer for others, when left out.
        k: how many patches to show of each unit.
        rows: how many units to show, those that tell their class best.
        batch_size: how many images go through the network at once.
        out: the report to write, a picture or a page (.html); with several layers each one's name
            is added to the file's.
        data: also write the numbers of all units (.npz).
        on_batch: called with the number of images done.

    Raises:
        InputError: if the input is wrong.
        Stopped: after Ctrl-C.
    """
    names = _layers(model, images, layers)
    found = ask_units(
        model,
        images,
        names,
        k,
        by=by,
        threshold=threshold,
        batch_size=batch_size,
        on_batch=on_batch,
    )
    for layer in names:
        print(found.save(_path(out, layer, names), layer, most=rows))
    if data:
        print(found.save_data(data))
    if found.patches.skipped:
        print(skipped_line(images, found.patches.skipped))


def _layers(model: ImageModel, images: ImageSet, layers: Sequence[str]) -> list[str]:
    """The layers asked for, else the last spatial one."""
    if layers:
        return list(dict.fromkeys(layers))
    for batch in Reading(images, model, 1):
        return [resolve_layer(model, batch.inputs, None, batch.context)]
    raise InputError(f"none of the {len(images)} images of {images.name} can be read")


def _path(out: Path, layer: str, layers: Sequence[str]) -> Path:
    return out if len(layers) == 1 else out.with_name(f"{out.stem}-{layer}{out.suffix}")
