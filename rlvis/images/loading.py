"""Pictures in, uint8 tensors out: files of every mode, PIL images, arrays, tensors, batches."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from rlvis.errors import InputError, Notice
from rlvis.files import check_regular
from rlvis.images.depth import Levels, eight_bit
from rlvis.images.tiff import DeepTiff

SMALLEST_SIDE = 8
LARGEST_SIDE = 2048
MOST_PIXELS = 64_000_000
"""So many are decoded at most; JPEGs may have more, since they can be decoded smaller."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")
"""Read without running other programs, as Pillow would for EPS."""

Images = str | Path | Image.Image | np.ndarray | Tensor | Sequence

Size = tuple[int, int]
"""Width and height in pixels."""

_ORIENTATION = 0x0112
_HEAD, _SIZES, _BITS_AT = 2**16, b"\xff\x4f\xff\x51", 42
"""Of JPEG 2000: how much of a file is searched, where sizes begin, and where bits are told."""
_PIPES = {"PNG": "png_pipe", "PPM": "ppm_pipe", "JPEG2000": "j2k_pipe"}
"""What PyAV calls the formats of which it reads all 16 bits of colours, and Pillow 8."""
_REDUCED: ContextVar[list[Size] | None] = ContextVar("reduced", default=None)


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
            read = _read_deep_tiff(path) or _read(path)
    except InputError as error:
        raise InputError(
            f"{path}: {error}" if str(path) not in str(error) else f"{error}"
        ) from None
    except PermissionError:
        raise InputError(f"{path} may not be read; change its permissions") from None
    except UnidentifiedImageError:
        raise InputError(f"{path} is not a picture; give a PNG, JPEG, WebP, TIFF or GIF") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels to read safely; make it smaller") from None
    except Exception as error:  # decoders stumble over damaged files in ways of their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be read as a picture ({reason}); is it whole?") from None
    return to_rgb(read.shallow(window), given=read.given)


@dataclass(frozen=True)
class _Read:
    """A picture as it was read.

    Attributes:
        content: the picture, or levels of more than 8 bits: (H, W), (H, W, 3), or with opacity
            uint16 (H, W, 4).
        orientation: of levels, as EXIF says it.
        given: width and height in the file.
    """

    content: Image.Image | np.ndarray
    orientation: int
    given: tuple[int, int]

    def shallow(self, window: Levels | None) -> Image.Image:
        """It with 8 bits."""
        levels = self.content
        if isinstance(levels, Image.Image):
            return levels
        pixels = eight_bit(levels[..., :3] if levels.ndim == 3 else levels, window)
        if levels.shape[2:] == (4,):
            pixels = np.dstack([pixels, np.rint(levels[..., 3] / 257).astype(np.uint8)])
        picture = Image.fromarray(pixels)
        picture.getexif()[_ORIENTATION] = self.orientation
        return picture


def _read_deep_tiff(path: Path) -> _Read | None:
    with path.open("rb") as file:
        tiff = DeepTiff.of(file)
        if tiff is None:
            return None
        _check_size(str(path), *tiff.size)
        return _Read(tiff.read(file), tiff.orientation, tiff.size)


def _read(path: Path) -> _Read:
    with Image.open(path, formats=_known_formats()) as picture:
        given = picture.size
        picture.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
        _check_size(str(path), *picture.size)
        levels = _deep_levels(picture, path)
        orientation = picture.getexif().get(_ORIENTATION, 1)
        picture.load()
        return _Read(picture if levels is None else levels, orientation, given)


@contextmanager
def reductions() -> Iterator[list[Size]]:
    """The sizes that pictures had which are reduced meanwhile, each once."""
    sizes: list[Size] = []
    token = _REDUCED.set(sizes)
    try:
        yield sizes
    finally:
        _REDUCED.reset(token)


def to_rgb(
    picture: Image.Image, window: Levels | None = None, given: Size | None = None
) -> Image.Image:
    """The picture as 8-bit RGB, upright, at most `LARGEST_SIDE` pixels along a side.

    A `Notice` tells of what is reduced.

    Args:
        picture: of any mode.
        window: see `load_image`.
        given: width and height before it was read, where they were others.
    """
    given = given or picture.size
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(eight_bit(np.asarray(picture), window))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    if max(given) > max(picture.size):
        _tell_reduction(given, picture.size)
    return picture


def _tell_reduction(given: Size, size: Size) -> None:
    noted = _REDUCED.get()
    if noted is not None and given not in noted:
        noted.append(given)
    (width, height), (across, down) = given, size
    warnings.warn(
        f"a picture of {width}×{height} pixels is reduced to {across}×{down}, as no side may be "
        f"longer than {LARGEST_SIDE}; cut out what matters to keep its details",
        Notice,
        stacklevel=4,
    )


def _known_formats() -> list[str]:
    Image.init()
    return [each for each in FORMATS if each in Image.OPEN]


def _deep_levels(picture: Image.Image, path: Path) -> np.ndarray | None:
    """The levels of an opened picture of more than 8 bits or with signed ones.

    They are (H, W), or red, green, blue and opacity (H, W, 4); None where Pillow's own 8 bits hold
    all of them. TIFFs are not among them, see `rlvis.images.tiff`.
    """
    tiles = getattr(picture, "tile", [])
    mode, raw = picture.mode, str(tiles[0][3]) if tiles else ""
    if mode.startswith("I") or mode == "F":
        levels = np.asarray(picture)
        unsigned = "I;32" in raw and "I;32S" not in raw and "N" in raw
        if unsigned and levels.dtype == np.int32:
            return levels.view(np.uint32)
        clear = picture.info.get("transparency")
        if isinstance(clear, int) and levels.dtype == np.uint16:  # that one level, in a PNG
            opacity = np.where(levels == clear, 0, 65535).astype(np.uint16)
            return np.dstack([levels, levels, levels, opacity])
        return levels
    jpeg2000 = picture.format == "JPEG2000" and _jpeg2000_bits(path) > 8
    largest = tiles[0][3][1] if picture.format == "PPM" and isinstance(tiles[0][3], tuple) else 0
    if ";16" in raw or jpeg2000 or largest > 255:
        return _sixteen_bit(path, _PIPES[str(picture.format)])
    return None


def _jpeg2000_bits(path: Path) -> int:
    """The bits of a sample of a JPEG 2000 picture.

    Raises:
        InputError: if samples are signed.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    start = head.find(_SIZES)
    bits = head[start + _BITS_AT] if 0 <= start < len(head) - _BITS_AT else 0
    if bits & 0x80:
        raise InputError("a JPEG 2000 picture of signed samples is not read; save it as a TIFF")
    return bits + 1


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
