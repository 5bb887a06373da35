"""Pictures in, uint8 tensors out: files of every mode, PIL images, arrays, tensors, batches."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from rlvis.errors import InputError
from rlvis.files import check_regular
from rlvis.images.depth import Levels, eight_bit

SMALLEST_SIDE = 8
LARGEST_SIDE = 2048
MOST_PIXELS = 64_000_000
"""So many are decoded at most; JPEGs may have more, since they can be decoded smaller."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")
"""Read without running other programs, as Pillow would for EPS."""

Images = str | Path | Image.Image | np.ndarray | Tensor | Sequence

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _SIGNED = 258, 339, 2


def load_image(path: str | Path, window: Levels | None = None) -> Image.Image:
    """An RGB picture from a file.

    Turned as its EXIF data says; grayscale, palette and CMYK are converted, deeper pictures are
    brought to 8 bits (see `rlvis.images.depth`), transparency is laid over white, and what is
    larger than `LARGEST_SIDE` pixels is reduced to that.

    Args:
        path: the file.
        window: the values that become black and white in a picture of more than 8 bits.

    Raises:
        InputError: if the file is missing, unreadable, not a picture, damaged, smaller than
            `SMALLEST_SIDE` pixels or larger than `MOST_PIXELS`.
    """
    path = Path(path)
    check_regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_known_formats()) as picture:
                picture.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
                _check_size(str(path), *picture.size)
                levels = _deep_levels(picture, path)
                orientation = picture.getexif().get(_ORIENTATION, 1)
                if levels is None:
                    picture.load()
                    return to_rgb(picture)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path} may not be read; change its permissions") from None
    except UnidentifiedImageError:
        raise InputError(f"{path} is not a picture; give a PNG, JPEG, WebP, TIFF or GIF") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels to read safely; make it smaller") from None
    except Exception as error:  # decoders stumble over damaged files in ways of their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be read as a picture ({reason}); is it whole?") from None
    pixels = eight_bit(levels[..., :3] if levels.ndim == 3 else levels, window)
    if levels.ndim == 3:
        pixels = np.dstack([pixels, (levels[..., 3] >> 8).astype(np.uint8)])
    shallow = Image.fromarray(pixels)
    shallow.getexif()[_ORIENTATION] = orientation
    return to_rgb(shallow)


def to_rgb(picture: Image.Image, window: Levels | None = None) -> Image.Image:
    """The picture as 8-bit RGB, upright, at most `LARGEST_SIDE` pixels along a side.

    Args:
        picture: of any mode.
        window: see `load_image`.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(eight_bit(np.asarray(picture), window))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    return picture


def _known_formats() -> list[str]:
    Image.init()
    return [each for each in FORMATS if each in Image.OPEN]


def _deep_levels(picture: Image.Image, path: Path) -> np.ndarray | None:
    """The levels of an opened picture of more than 8 bits or with signed ones.

    They are (H, W), or red, green, blue and opacity (H, W, 4); None where Pillow's own 8 bits hold
    all of them.
    """
    tiles = getattr(picture, "tile", [])
    mode, raw = picture.mode, str(tiles[0][3]) if tiles else ""
    if mode.startswith("I") or mode == "F":
        levels = np.asarray(picture)
        unsigned = "I;32" in raw and "I;32S" not in raw and "N" in raw
        return levels.view(np.uint32) if unsigned and levels.dtype == np.int32 else levels
    if ";16" in raw:
        return _sixteen_bit(path, {"PNG": "png_pipe", "TIFF": "tiff_pipe"}[str(picture.format)])
    tags = getattr(picture, "tag_v2", {})
    if mode == "L" and _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        return np.asarray(picture).view(np.int8)
    return None


def _sixteen_bit(path: Path, kind: str) -> np.ndarray:
    """Colours of 16 bits, of which Pillow keeps 8: uint16 (H, W, 4), the last one opacity."""
    import av

    with av.open(io.BytesIO(path.read_bytes()), "r", format=kind) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgba64le")


def as_images(images: Images, window: Levels | None = None) -> Tensor:
    """A uint8 batch (N, C, H, W) from pictures in any usual form.

    Args:
        images: a path, a PIL image, an array (H, W), (H, W, C) or (N, H, W, C), an integer tensor
            (C, H, W) or (N, C, H, W), or a sequence of these of one size. What is not uint8 is
            brought to 8 bits; see `rlvis.images.depth`.
        window: the values that become black and white in pictures of more than 8 bits.

    Raises:
        InputError: if it is none of these, empty, not finite, or a batch of different sizes.
    """
    if isinstance(images, (str, Path)):
        return _from_array(np.asarray(load_image(images, window)), None)
    if isinstance(images, Image.Image):
        return _from_array(np.asarray(to_rgb(images, window)), None)
    if isinstance(images, np.ndarray):
        return _from_array(images, window)
    if isinstance(images, Tensor):
        return _from_tensor(images, window)
    if isinstance(images, Sequence):
        if not images:
            raise InputError("no images given; give at least one")
        parts = [as_images(each, window) for each in images]
        shapes = {tuple(part.shape[1:]) for part in parts}
        if len(shapes) > 1:
            sizes = ", ".join(f"{w}×{h}" for _, h, w in sorted(shapes)[:3])
            raise InputError(f"the images of one batch differ in size ({sizes}); resize them first")
        return torch.cat(parts)
    raise InputError(
        f"cannot take {type(images).__name__} as an image; give a path, a PIL image, "
        "an array (H, W, C) or (N, H, W, C), or a tensor (N, C, H, W)"
    )


def _from_array(array: np.ndarray, window: Levels | None) -> Tensor:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.dtype.kind not in "buif" or 0 in array.shape:
        raise InputError(
            f"an array of shape {array.shape} and type {array.dtype} is no image; "
            "give numbers (H, W, C) or (N, H, W, C)"
        )
    pixels = eight_bit(array, window)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def _from_tensor(tensor: Tensor, window: Levels | None) -> Tensor:
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.ndim != 4 or tensor.is_floating_point() or tensor.is_complex() or 0 in tensor.shape:
        raise InputError(
            f"a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype} is no image; "
            "give integers (C, H, W) or (N, C, H, W), or the network's float input (N, C, H, W)"
        )
    if tensor.dtype == torch.uint8:
        return tensor
    return torch.from_numpy(eight_bit(tensor.cpu().numpy(), window)).to(tensor.device)


def _check_size(what: str, width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{what} is {width}×{height} pixels; "
            f"at least {SMALLEST_SIDE}×{SMALLEST_SIDE} are needed to explain anything"
        )
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{what} has {width}×{height} pixels, too many to read; "
            f"at most {MOST_PIXELS // 10**6} million are, make it smaller"
        )
