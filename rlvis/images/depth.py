"""Pictures of more than 8 bits, or of floating point, brought to the 8 bits that networks see.

A window says which values become black and white. Where none is chosen it is one that keeps what
the picture holds, and is told (`Notice`), since a network may see something else through another:

    bool                    false and true
    integers, none negative 0 to the most that so many bits hold as the brightest needs, 8 at least
    floats within 0..1      0 to 1, untold: the usual way to write an 8-bit picture
    floats up to 255        0 to 255, where the brightest is more than half of it
    all others              the least to the greatest value
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from rlvis.errors import InputError, Notice

Levels = tuple[float, float]
"""The values that become black and white."""


_USED: ContextVar[list[Levels] | None] = ContextVar("windows", default=None)


@contextmanager
def windows_used() -> Iterator[list[Levels]]:
    """The windows through which pictures of more than 8 bits are seen meanwhile, each once.

    That of floats within 0..1 is not among them, unless it was chosen.
    """
    used: list[Levels] = []
    token = _USED.set(used)
    try:
        yield used
    finally:
        _USED.reset(token)


def eight_bit(levels: np.ndarray, window: Levels | None = None) -> np.ndarray:
    """Levels of any shape as uint8.

    Args:
        levels: numbers; uint8 is given back as it is.
        window: the values that become 0 and 255; found as above where left out.

    Raises:
        InputError: if a level is NaN or infinite, or the window is empty.
    """
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype == bool:
        return levels.astype(np.uint8) * np.uint8(255)
    low, high = choose_window(levels) if window is None else check_window(window)
    used, usual = _USED.get(), window is None and (low, high) == _usual(levels.dtype)
    if used is not None and not usual and (low, high) not in used:
        used.append((low, high))
    scaled = (levels.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(scaled, out=scaled).clip(0, 255, out=scaled).astype(np.uint8)


def choose_window(levels: np.ndarray) -> Levels:
    """The window that is found for levels, told where it is not the usual one.

    Raises:
        InputError: if a level is NaN or infinite.
    """
    window = find_window(levels)
    if window != _usual(levels.dtype):
        warnings.warn(told(levels.dtype, window), Notice, stacklevel=2)
    return window


def _usual(kind: np.dtype) -> Levels:
    return 0.0, 1.0 if kind.kind == "f" else 255.0


def find_window(levels: np.ndarray) -> Levels:
    """The window for levels of which nobody says what they mean; see the top of this module.

    Raises:
        InputError: if a level is NaN or infinite.
    """
    low, high = float(levels.min()), float(levels.max())
    if not np.isfinite([low, high]).all():
        raise InputError("a picture holds NaN or infinity; give finite numbers")
    if levels.dtype.kind in "ui" and low >= 0:
        return 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 127.5 < high <= 255:
        return 0.0, 255.0
    return low, high if high > low else low + 1


def check_window(window: Levels) -> Levels:
    """The window, if it is one.

    Raises:
        InputError: if it is not two finite numbers, the first the smaller one.
    """
    try:
        low, high = (float(each) for each in window)
    except (TypeError, ValueError):
        raise InputError(f"no window {window!r}; give two numbers (low, high)") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(
            f"no window {low:g},{high:g}; give two numbers low,high, the first the smaller"
        )
    return low, high


def read_window(text: str) -> Levels:
    """The window written as "low,high".

    Raises:
        InputError: if it is none.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"no window {text!r}; write two numbers as low,high") from None
    return check_window((low, high))


def told(kind: np.dtype, window: Levels) -> str:
    """The line that says through which window pictures are seen."""
    low, high = window
    return (
        f"pictures of {kind} are seen from {low:g} (black) to {high:g} (white); "
        f"choose others with window=(low, high), --window on the command line"
    )
