"""Maps on their way to the page."""

from typing import Any

import numpy as np

from rlvis.attribution.explanation import Explanation
from rlvis.inspector.wire import quantised


def map_arrays(why: Explanation) -> dict[str, np.ndarray]:
    """Maps as bytes (n, T, h, w), and what 127 stands for in each."""
    count, columns = why.maps.shape[:2]
    levels, scale = quantised(why.maps.reshape(-1, *why.maps.shape[2:]))
    return {"maps": levels.reshape(why.maps.shape), "scale": scale.reshape(count, columns)}


def map_facts(why: Explanation) -> dict[str, Any]:
    """What maps are of."""
    return {
        "method": why.method,
        "signed": why.signed,
        "layer": why.layer,
        "targets": why.targets,
        "scores": why.scores,
        "notes": why.notes,
        "window": why.window.__dict__ if why.window else None,
    }
