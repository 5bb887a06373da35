"""What a test can see of the page."""

from pathlib import Path
from typing import Any

import numpy as np

import rlvis

Recorded = tuple[Path, rlvis.Recording]


def step_of(page: Any) -> int:
    """The step that is shown."""
    return int(page.get_attribute(".timeline .plot", "aria-valuenow"))


def wait_for_step(page: Any, step: int) -> None:
    """Until the step is shown."""
    page.wait_for_function(
        "step => document.querySelector('.timeline .plot')?.ariaValueNow === String(step)", arg=step
    )


def wait_for_hash(page: Any, **values: object) -> None:
    """Until the address says so."""
    for name, value in values.items():
        page.wait_for_function(
            "([name, value]) => new URLSearchParams(location.hash.slice(1)).get(name) === value",
            arg=[name, str(value)],
        )


def pixels(page: Any, selector: str) -> np.ndarray:
    """What is on a canvas, uint8 (H, W, 4)."""
    width, height, content = page.evaluate(
        """selector => {
            const canvas = document.querySelector(selector);
            const {width, height} = canvas;
            const image = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [width, height, [...image.data]];
        }""",
        selector,
    )
    return np.array(content, np.uint8).reshape(height, width, 4)
