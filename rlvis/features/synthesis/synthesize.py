"""Images from nothing that excite an objective most: feature and class visualization."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rlvis.display.sheet import Row, Tile, save_picture, sheet
from rlvis.errors import InputError, NonFiniteError
from rlvis.features.pixels import PixelScale, as_picture, input_shape
from rlvis.features.synthesis.images import FourierImages, PixelImages
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import Objective, diversity, parse
from rlvis.features.synthesis.transforms import moved
from rlvis.files import save_arrays
from rlvis.interrupt import interruptible
from rlvis.model import ImageModel

Parametrization = Literal["fourier", "pixels"]
_REDIRECTED_STEPS = 16


@dataclass(frozen=True)
class Synthesis:
    """Images made for one objective.

    Attributes:
        model, objective: their names.
        images: float32 (N, C, H, W), 0 black to 1 white.
        values: float32 (N,), the objective of each image as it is, unmoved.
        settings: how they were made, in words.
        steps: how many were taken.
        fault: why it ended early, "" where it did not; the images are then the last good ones.
    """

    model: str
    objective: str
    images: np.ndarray = field(repr=False)
    values: np.ndarray
    settings: str
    steps: int
    fault: str = ""

    def tiles(self) -> list[Tile]:
        """A tile per image, with its value."""
        return [
            Tile(as_picture(image), [f"{self.objective}", f"value {value:.4g}"])
            for image, value in zip(self.images, self.values, strict=True)
        ]

    def save_data(self, path: str | Path) -> Path:
        """Write images and values (.npz or .safetensors) and return the path."""
        return save_arrays(path, images=self.images, values=self.values)


def synthesize(
    model: ImageModel,
    objective: str | Objective,
    *,
    count: int = 1,
    size: tuple[int, int] | None = None,
    steps: int = 512,
    learning_rate: float = 0.05,
    parametrization: Parametrization = "fourier",
    robust: bool = True,
    diverse: float = 0.0,
    seed: int = 0,
    on_step: Callable[[], None] | None = None,
) -> Synthesis:
    """Make images that excite an objective, by gradient ascent.

    The defaults are Lucid's: the spectrum as parameters, decorrelated colours, Adam, small random
    moves, gradients let through ReLUs that are off for the first 16 steps. With "pixels" and
    without moves it is the plain gradient ascent of Erhan et al. 2009.

    Args:
        model: what is to be excited; it is left as it is.
        objective: see `objectives`; a string is parsed: "cat", "layer:17", "a - b".
        count: how many images at once.
        size: (H, W) of the images; the model's own input size if left out.
        steps: of Adam.
        learning_rate: of Adam.
        parametrization: "fourier" or "pixels".
        robust: move the images at random at each step, so that single pixels do not count.
        diverse: how much the images of a batch are driven apart, in the last layer that the
            objective reads; 0 for not at all.
        seed: of start and moves.
        on_step: called after every step.

    Raises:
        InputError: if a name does not exist, the input size is not known, a number is not positive,
            or the objective does not depend on the image.
        NonFiniteError: if the objective is not finite at the very start.
        KeyboardInterrupt: never: Ctrl-C ends early, with the images so far.
    """
    if count < 1 or steps < 1 or not learning_rate > 0:
        raise InputError(
            f"count={count}, steps={steps}, learning_rate={learning_rate:g} make no image; "
            "take positive numbers"
        )
    if parametrization not in ("fourier", "pixels"):
        raise InputError(f"no parametrization {parametrization!r}; choose fourier or pixels")
    wanted = parse(objective, model) if isinstance(objective, str) else objective
    network = ObjectiveNetwork(model, _driven_apart(wanted, diverse, count))
    shape = input_shape(model, size)
    scale = PixelScale.of(model, torch.zeros(1, *shape, dtype=torch.uint8))
    make = FourierImages if parametrization == "fourier" else PixelImages
    images = make((count, *scale.shape), seed=seed)
    parameters = images.parameters.to(model.device).requires_grad_(True)
    optimizer = torch.optim.Adam([parameters], lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    good, taken, fault = parameters.detach().clone(), 0, ""
    with interruptible() as asked_to_stop, torch.enable_grad():
        while taken < steps and not fault:
            pixels = images(parameters)
            shown = moved(pixels, generator) if robust else pixels
            gradient = _slope(network, scale.inputs(shown), parameters, taken < _REDIRECTED_STEPS)
            if gradient is None:
                fault = f"{wanted.name} is NaN or infinite at step {taken + 1}"
                break
            good = parameters.detach().clone()
            parameters.grad = gradient
            optimizer.step()
            taken += 1
            if on_step:
                on_step()
            if asked_to_stop():
                fault = f"stopped at step {taken}"
    if fault and not taken:
        raise NonFiniteError(f"{fault}; check the network's weights and its input's range")
    if not fault:
        good = parameters.detach()
    with torch.no_grad():
        pixels = images(good)
        values = ObjectiveNetwork(model, wanted)(scale.inputs(pixels))
    return Synthesis(
        model.name,
        wanted.name,
        pixels.float().cpu().numpy(),
        values.cpu().numpy(),
        _settings(parametrization, robust, diverse, taken, learning_rate),
        taken,
        fault,
    )


def _slope(
    network: ObjectiveNetwork, inputs: Tensor, parameters: Tensor, redirected: bool
) -> Tensor | None:
    """The gradient of the parameters along which the objective falls; None if it is not finite.

    Raises:
        InputError: if the objective does not depend on the image.
    """
    try:
        value = network(inputs, redirected).sum()
    except NonFiniteError:
        return None
    if not value.requires_grad:
        raise InputError("the objective does not depend on the image; name another")
    (gradient,) = torch.autograd.grad(-value, parameters)
    finite = torch.isfinite(gradient).all() & torch.isfinite(value)
    return gradient if bool(finite) else None


def _driven_apart(wanted: Objective, diverse: float, count: int) -> Objective:
    if not diverse or count == 1:
        return wanted
    if not wanted.layers:
        raise InputError(f"{wanted.name} reads no layer to be diverse in; name a unit of a layer")
    return wanted + diverse * diversity(sorted(wanted.layers)[-1])


def _settings(kind: str, robust: bool, diverse: float, steps: int, learning_rate: float) -> str:
    images = "Fourier images, decorrelated colours" if kind == "fourier" else "plain pixels"
    moves = "randomly moved" if robust else "not moved"
    apart = f", diversity {diverse:g}" if diverse else ""
    return f"{images}, {moves}{apart}, {steps} steps of Adam at {learning_rate:g}"


def synthesis_sheet(
    made: Sequence[Synthesis], real: Sequence[Sequence[Tile]] = (), side: int = 224
) -> Image.Image:
    """A page of synthesized images, a row per objective.

    Args:
        made: for one objective each.
        real: for each, tiles of what excites it most in real images, shown beside it.
        side: the longer side of a synthesized image on the page, in pixels.
    """
    rows = []
    for place, each in enumerate(made):
        height, width = each.images.shape[-2:]
        tile = round(side * height / max(height, width)), round(side * width / max(height, width))
        note = each.settings + (f"; {each.fault}" if each.fault else "")
        rows.append(Row(each.tiles(), each.objective, note, tile))
        if place < len(real) and real[place]:
            rows.append(Row(real[place], note="what excites it most in real images"))
    lines = ["values are the objective of each image as shown, not moved"]
    return sheet(f"What excites {made[0].model}", lines, rows)


def save_synthesis(
    made: Sequence[Synthesis], path: str | Path, real: Sequence[Sequence[Tile]] = ()
) -> Path:
    """Write `synthesis_sheet` and return its path."""
    return save_picture(synthesis_sheet(made, real), path)
