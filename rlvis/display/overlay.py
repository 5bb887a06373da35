"""Heatmaps over pictures.

A map that only tells how much is drawn from transparent over purple and orange to yellow; a signed
one in amber where it speaks for the target and blue where against. The picture beneath is grey, so
that every colour is evidence, and where there is none it shows through unchanged.
"""

import numpy as np
from PIL import Image

_HEAT = [
    (31, 12, 72),
    (85, 15, 109),
    (136, 34, 106),
    (186, 54, 85),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
]
_AGAINST, _FOR = (40, 120, 255), (255, 184, 0)
_MOST_OPAQUE = 0.85


def _sequential() -> np.ndarray:
    """Premultiplied colour and remaining picture, float32 (256, 4), of heat 0..1."""
    heat = np.linspace(0, 1, 256)
    anchors = np.linspace(0, 1, len(_HEAT))
    colour = np.stack([np.interp(heat, anchors, channel) for channel in np.array(_HEAT).T], axis=1)
    opacity = _MOST_OPAQUE * np.clip(heat / 0.5, 0, 1) ** 0.8
    return _table(colour, opacity)


def _diverging() -> np.ndarray:
    """Premultiplied colour and remaining picture, float32 (256, 4), of heat -1..1."""
    heat = np.linspace(-1, 1, 256)
    colour = np.where(heat[:, None] < 0, _AGAINST, _FOR).astype(float)
    opacity = _MOST_OPAQUE * np.abs(heat) ** 0.8
    return _table(colour, opacity)


def _table(colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return np.column_stack([colour * opacity[:, None], 1 - opacity]).astype(np.float32)


_TABLES = {False: _sequential(), True: _diverging()}


def limit(maps: np.ndarray, share: float = 0.995) -> float:
    """The value drawn at full strength: the `share` quantile of the maps' absolute values.

    All but the few strongest pixels stay below it, so that one outlier does not hide the rest.
    """
    return float(np.quantile(np.abs(maps), share)) if maps.size else 0.0


def grey(picture: np.ndarray) -> np.ndarray:
    """The picture without its colours, uint8 (H, W, 3)."""
    luminance = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(luminance.astype(np.uint8)[..., None], 3, axis=-1)


def overlay(picture: np.ndarray, heat: np.ndarray, limit: float, signed: bool) -> np.ndarray:
    """A heatmap over a picture of the same size.

    Args:
        picture: uint8 (H, W, 3).
        heat: float (H, W).
        limit: the value drawn at full strength.
        signed: whether negative values speak against the target.

    Returns:
        uint8 (H, W, 3).
    """
    table = _TABLES[signed][level(heat, limit, signed)]
    return (table[..., :3] + picture * table[..., 3:]).astype(np.uint8)


def level(heat: np.ndarray, limit: float, signed: bool) -> np.ndarray:
    """Heat as a place in the colour table, uint8; everything is nothing where the limit is 0."""
    if limit <= 0:
        return np.full(heat.shape, 128 if signed else 0, np.uint8)
    share = np.clip(heat / limit, -1 if signed else 0, 1)
    return ((share + 1) * 127.5 if signed else share * 255).astype(np.uint8)


def colour_bar(width: int, height: int, signed: bool, ground: tuple[int, int, int]) -> np.ndarray:
    """The colours from least to most over a plain ground, uint8 (height, width, 3)."""
    table = _TABLES[signed][np.linspace(0, 255, width).astype(int)]
    row = table[:, :3] + np.array(ground) * table[:, 3:]
    return np.broadcast_to(row.astype(np.uint8), (height, width, 3))


def as_rgb(image: np.ndarray) -> np.ndarray:
    """A picture to show, uint8 (H, W, 3), of an image (H, W, C).

    One channel is grey. Of a stack of grey frames (2, 4 or more channels) the last one is shown,
    and the last colours of a stack of colour frames.
    """
    channels = image.shape[-1]
    if channels == 3:
        return image
    last = image[..., -3:] if channels % 3 == 0 else image[..., -1:]
    return np.repeat(last, 3, axis=-1) if last.shape[-1] == 1 else last


def resize_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture (H, W, 3) at another size: sharp pixels where enlarged, smooth where reduced."""
    if picture.shape[:2] == (height, width):
        return picture
    enlarged = height > 2 * picture.shape[0]
    how = Image.Resampling.BICUBIC if enlarged else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize((width, height), how))
