"""Pictures in, uint8 tensors out: files of every mode, PIL images, arrays, tensors, batches."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from rlvis.errors import InputError

SMALLEST_SIDE = 8
LARGEST_SIDE = 2048

Images = str | Path | Image.Image | np.ndarray | Tensor | Sequence


def load_image(path: str | Path) -> Image.Image:
    """An RGB picture from a file.

    Turned as its EXIF data says; grayscale, palette, CMYK and 16-bit are converted, transparency is
    laid over white, and what is larger than `LARGEST_SIDE` pixels is reduced to that.

    Raises:
        InputError: if the file is missing, unreadable, not a picture, truncated or smaller than
            `SMALLEST_SIDE` pixels.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a picture file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                _check_size(str(path), *picture.size)
                picture.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
                return to_rgb(picture)
    except FileNotFoundError:
        raise InputError(f"no file {path}; give the path of a picture (PNG, JPEG, …)") from None
    except PermissionError:
        raise InputError(f"{path} may not be read; change its permissions") from None
    except UnidentifiedImageError:
        raise InputError(f"{path} is not a picture; give a PNG, JPEG, WebP, TIFF or GIF") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels to read safely; make it smaller") from None
    except (OSError, SyntaxError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a picture ({error}); is it whole?") from None


def to_rgb(picture: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB, upright, at most `LARGEST_SIDE` pixels along a side."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _eight_bit(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    return picture


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Grey levels of 16 bits or floating point, scaled to 0..255."""
    levels = np.asarray(picture).astype(np.float64)
    top = 65535.0 if picture.mode.startswith("I") and levels.max(initial=0) > 255 else 255.0
    if picture.mode == "F" and levels.max(initial=0) <= 1:
        top = 1.0
    return Image.fromarray((levels / top * 255).clip(0, 255).round().astype(np.uint8))


def as_images(images: Images) -> Tensor:
    """A uint8 batch (N, C, H, W) from pictures in any usual form.

    Args:
        images: a path, a PIL image, a uint8 array (H, W), (H, W, C) or (N, H, W, C), a uint8 tensor
            (C, H, W) or (N, C, H, W), or a sequence of these of one size.

    Raises:
        InputError: if it is none of these, empty, or a batch of different sizes.
    """
    if isinstance(images, (str, Path)):
        return _from_array(np.asarray(load_image(images)))
    if isinstance(images, Image.Image):
        return _from_array(np.asarray(to_rgb(images)))
    if isinstance(images, np.ndarray):
        return _from_array(images)
    if isinstance(images, Tensor):
        return _from_tensor(images)
    if isinstance(images, Sequence) and images:
        parts = [as_images(each) for each in images]
        shapes = {tuple(part.shape[1:]) for part in parts}
        if len(shapes) > 1:
            sizes = ", ".join(f"{w}×{h}" for _, h, w in sorted(shapes)[:3])
            raise InputError(f"the images of one batch differ in size ({sizes}); resize them first")
        return torch.cat(parts)
    raise InputError(
        f"cannot take {type(images).__name__} as an image; give a path, a PIL image, "
        "a uint8 array (H, W, C) or (N, H, W, C), or a tensor (N, C, H, W)"
    )


def _from_array(array: np.ndarray) -> Tensor:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.dtype != np.uint8 or 0 in array.shape:
        raise InputError(
            f"an array of shape {array.shape} and type {array.dtype} is no image; "
            "give uint8 (H, W, C) or (N, H, W, C)"
        )

    return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))


def _from_tensor(tensor: Tensor) -> Tensor:
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.ndim != 4 or tensor.dtype != torch.uint8 or 0 in tensor.shape:
        raise InputError(
            f"a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype} is no image; "
            "give uint8 (C, H, W) or (N, C, H, W), or the network's float input (N, C, H, W)"
        )

    return tensor


def _check_size(what: str, width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{what} is {width}×{height} pixels; "
            f"at least {SMALLEST_SIDE}×{SMALLEST_SIDE} are needed to explain anything"
        )
