"""How far our maps are from the reference's, kept for the table that `--differences` prints."""

import numpy as np
from torch import Tensor

DIFFERENCES: dict[tuple[str, str], float] = {}


def agree(method: str, reference: str, ours: np.ndarray, expected: Tensor | np.ndarray) -> None:
    """Assert that maps differ by less than 1e-4 of the reference's largest absolute value."""
    expected = expected.detach().numpy() if isinstance(expected, Tensor) else expected
    largest = float(np.abs(expected).max())
    assert largest > 0, "an empty map says nothing"
    assert ours.shape == expected.shape
    difference = float(np.abs(ours - expected).max()) / largest
    key = method, reference
    DIFFERENCES[key] = max(difference, DIFFERENCES.get(key, 0.0))
    assert difference < 1e-4
