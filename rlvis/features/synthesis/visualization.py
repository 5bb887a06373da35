"""Images from nothing that excite an objective most: feature and class visualization."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rlvis.deprecation import NOTHING, renamed_parameters
from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.errors import InputError, NonFiniteError
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import Objective, diversity, parse
from rlvis.features.synthesis.parametrization import FourierImages, PixelImages
from rlvis.features.synthesis.transforms import moved
from rlvis.images.loading import LARGEST_SIDE, SMALLEST_SIDE
from rlvis.instrument.layers import resolve_layer
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.pixels import PixelScale, as_picture, input_shape
from rlvis.options import MANY, MOST_SEED, check_real, check_whole
from rlvis.progress import OnProgress, Progress, reporter
from rlvis.results import Result, Results, Table, by_name

Parametrization = Literal["fourier", "pixels"]
_REDIRECTED_STEPS = 16
_SIDE = 224


@dataclass(frozen=True, repr=False, eq=False)
class Synthesis(Result):
    """Images made for one objective.

    Attributes:
        model, objective: their names.
        images: float32 (N, C, H, W), 0 black to 1 white.
        values: float32 (N,), the objective of each image as it is, unmoved.
        settings: how they were made, in words.
        steps: how many were taken, of those that the settings tell.
        fault: why it ended early, "" where it did not; the images are then the last good ones.
        stopped: whether that was Ctrl-C.
    """

    model: str
    objective: str
    images: np.ndarray
    values: np.ndarray
    settings: str
    steps: int
    fault: str = ""
    stopped: bool = False

    def tiles(self) -> list[Tile]:
        """A tile per image, with its value."""
        return [
            Tile(
                as_picture(image),
                Shown(
                    model=self.model,
                    target=self.objective,
                    values={"value": written(value, 4)},
                    headed=("target",),
                ),
            )
            for image, value in zip(self.images, self.values, strict=True)
        ]

    def page(self, real: Sequence[Row] = (), side: int = _SIDE) -> Page:
        """The images; see `Syntheses.page`."""
        return _page([self], real, side)

    def arrays(self) -> dict[str, np.ndarray]:
        """Images and values."""
        return {"images": self.images, "values": self.values}

    def table(self) -> Table:
        """A row for each image: its value."""
        return {
            "objective": [self.objective] * len(self.values),
            "image": np.arange(len(self.values)),
            "value": self.values,
        }

    @property
    def summary(self) -> str:
        """The objective, and how many images of what size."""
        count, _, height, width = self.images.shape
        return f"{self.objective} of {self.model}, {count} images {width}×{height}"


class Syntheses(Results[Synthesis]):
    """Images made for several objectives, by objective."""

    def page(self, real: Sequence[Row] = (), side: int = _SIDE) -> Page:
        """A row of images for each objective.

        Args:
            real: for each, what excites it most in real images; see `real_images.strongest`.
            side: the longer side of an image on the page, in pixels.
        """
        return _page(list(self.values()), real, side)


def _page(made: Sequence[Synthesis], real: Sequence[Row], side: int) -> Page:
    rows = []
    for place, each in enumerate(made):
        height, width = each.images.shape[-2:]
        tile = round(side * height / max(height, width)), round(side * width / max(height, width))
        beside = real[place : place + 1]
        rows.append(Row(each.tiles(), each.objective, each.fault, tile, beside))
    lines = [f"{made[0].settings}; values are the objective of each image as shown, not moved"]
    return Page(f"What excites {made[0].model}", lines, rows)


@renamed_parameters(on_step=NOTHING)
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
    on_progress: OnProgress | None = None,
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
        diverse: how much the images of a batch are driven apart, 0 for not at all: in the last
            layer that the objective reads, in the last spatial one where it reads scores alone.
        seed: of start and moves.
        on_progress: called after every step; see `rlvis.progress`. Where it raises
            KeyboardInterrupt the images so far come back.

    Raises:
        InputError: if a name does not exist, the input size is not known, a number is not positive,
            or the objective does not depend on the image.
        NonFiniteError: if the objective is not finite at the very start.
    """
    require_image_model(model)
    check_whole("count", count, 1, 4096)
    check_whole("steps", steps, 1, MANY)
    check_real("learning_rate", learning_rate, 1e-9, 1e3)
    check_real("diverse", diverse, 0, 1e6)
    check_whole("seed", seed, 0, MOST_SEED)
    for side in size or ():
        check_whole("size", side, SMALLEST_SIDE, LARGEST_SIDE)
    if parametrization not in ("fourier", "pixels"):
        raise InputError(f"no parametrization {parametrization!r}; choose fourier or pixels")
    wanted = parse(objective, model) if isinstance(objective, str) else objective
    blank = torch.zeros(1, *input_shape(model, size), dtype=torch.uint8)
    scale = PixelScale.of(model, blank)
    sought = wanted
    if diverse and count > 1:
        sought = wanted + diverse * diversity(_last_layer(model, wanted, scale.black))
    network = ObjectiveNetwork(model, sought)
    make = FourierImages if parametrization == "fourier" else PixelImages
    images = make((count, *scale.shape), seed=seed)
    parameters = images.parameters.to(model.device).requires_grad_(True)
    optimizer = torch.optim.Adam([parameters], lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    good, taken, fault, stopped = parameters.detach().clone(), 0, "", False
    report = reporter(on_progress)
    with torch.enable_grad():
        while taken < steps and not fault:
            pixels = images(parameters)
            shown = moved(pixels, generator) if robust else pixels
            gradient = _gradient(
                network, scale.inputs(shown), parameters, taken < _REDIRECTED_STEPS
            )
            if gradient is None:
                fault = f"{wanted.name} is NaN or infinite at step {taken + 1}"
                break
            good = parameters.detach().clone()
            parameters.grad = gradient
            optimizer.step()
            taken += 1
            try:
                report(Progress(wanted.name, taken, steps, "steps"))
            except KeyboardInterrupt:
                if taken < steps:
                    fault, stopped = f"stopped at step {taken}", True
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
        _settings(images, robust, diverse, steps, learning_rate),
        taken,
        fault,
        stopped,
    )


def _last_layer(model: ImageModel, wanted: Objective, inputs: Tensor) -> str:
    read = [name for name, _ in model.module.named_modules() if name in wanted.layers]
    return read[-1] if read else resolve_layer(model, inputs, None, model.blank_context(1))


def _gradient(
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


def _settings(
    made_by: FourierImages | PixelImages,
    robust: bool,
    diverse: float,
    steps: int,
    learning_rate: float,
) -> str:
    images = "Fourier images" if isinstance(made_by, FourierImages) else "plain pixels"
    images += ", decorrelated colours" if made_by.decorrelated else ""
    moves = "randomly moved" if robust else "not moved"
    apart = f", diversity {diverse:g}" if diverse else ""
    return f"{images}, {moves}{apart}, {steps} steps of Adam at {learning_rate:g}"


def together(made: Sequence[Synthesis]) -> Syntheses:
    """Images made for one objective each, all in the same way."""
    return Syntheses(by_name(made, [each.objective for each in made]))


def synthesis_sheet(
    made: Sequence[Synthesis], real: Sequence[Row] = (), side: int = _SIDE
) -> Image.Image:
    """The page of `Syntheses` as a picture."""
    return together(made).picture(real, side)


def save_synthesis(made: Sequence[Synthesis], path: str | Path, real: Sequence[Row] = ()) -> Path:
    """Save `Syntheses` and return the path."""
    return together(made).save(path, real)
