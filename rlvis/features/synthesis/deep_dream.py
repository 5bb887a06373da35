"""DeepDream (Mordvintsev, Olah & Tyka 2015): what a layer sees in a picture, drawn into it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.deprecation import DONE_AND_TOTAL, renamed_parameters
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import DARK, fit, on_dark
from rlvis.display.tiles import Row, Tile
from rlvis.display.video_file import film_writer
from rlvis.errors import InputError, NonFiniteError
from rlvis.features.activations.units import activations_of, check_layers
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import Objective, guide, parse, whole_layer
from rlvis.images.loading import LARGEST_SIDE, SMALLEST_SIDE, Images, as_images
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.pixels import PixelScale, as_picture, image_channels, seen_part
from rlvis.options import MANY, MOST_SEED, check_real, check_whole
from rlvis.progress import OnProgress, Progress, reporter, silent
from rlvis.results import Result

_BAND, _LEAST_PAGE, _LEAST_SIDE = 26, 720, 160


@dataclass(frozen=True)
class DreamSettings:
    """How a dream is dreamt; the defaults are those of the original.

    Attributes:
        octaves: sizes at which it is dreamt, from small to large.
        scale: between two octaves.
        iterations: steps at each.
        step: the mean change of a value by one step, on the scale 0..255.
        jitter: the picture is shifted by up to so many pixels at each step.
    """

    octaves: int = 4
    scale: float = 1.4
    iterations: int = 10
    step: float = 1.5
    jitter: int = 32

    @property
    def line(self) -> str:
        """The settings in words."""
        return (
            f"octaves: {self.octaves}, of scale {self.scale:g}; iterations at each: "
            f"{self.iterations}, by a step of {self.step:g} of 255, jitter {self.jitter}"
        )

    def __post_init__(self) -> None:
        check_whole("octaves", self.octaves, 1, 20)
        check_whole("iterations", self.iterations, 1, MANY)
        check_real("scale", self.scale, 1.01, 10)
        check_real("step", self.step, 1e-6, 255)
        check_whole("jitter", self.jitter, 0, 4096)


@dataclass(frozen=True, repr=False, eq=False)
class Dream(Result):
    """A picture and what a network saw in it.

    Attributes:
        model: its name.
        what: was looked for.
        settings: how.
        before: uint8 (H, W, 3), the picture, or the noise.
        after: uint8 (H, W, 3), the same with what was seen.
        guide: uint8 (h, w, 3), the picture whose features were looked for; None without one.
    """

    model: str
    what: str
    settings: DreamSettings
    before: np.ndarray
    after: np.ndarray
    guide: np.ndarray | None = None

    def page(self) -> Page:
        """A page of what was there and what was seen."""
        height, width = self.after.shape[:2]
        guide = [] if self.guide is None else [Tile(self.guide, Shown("its guide"))]
        tiles = [
            Tile(self.before, Shown("before")),
            *guide,
            Tile(self.after, Shown("the dream")),
        ]
        larger = -(-_LEAST_SIDE // height)  # the pixels of a tiny picture stay squares
        height, width = larger * height, larger * width
        across = len(tiles) * (width + 12) + 2 * 28
        return Page(
            f"What {self.model} dreams",
            [f"DeepDream of {self.what}; {self.settings.line}"],
            [Row(tiles, tile=(height, width))],
            max(across, _LEAST_PAGE),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The pictures before and after."""
        return {"before": self.before, "after": self.after}

    @property
    def summary(self) -> str:
        """What was looked for, and the size."""
        height, width = self.after.shape[:2]
        return f"{self.what} of {self.model}, {width}×{height}"


@renamed_parameters(on_step=DONE_AND_TOTAL)
def dream(
    model: ImageModel,
    what: str | Objective,
    image: Images | None = None,
    *,
    size: tuple[int, int] = (360, 480),
    settings: DreamSettings | None = None,
    guide_image: Images | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Dream:
    """Draw into a picture what a layer or unit sees in it.

    Args:
        model: the network; its layers up to the one dreamt of must take images of any size.
        what: a layer (all that it sees, made stronger), a unit "layer:17", or an objective.
        image: the picture, in its own size; noise if left out.
        size: (H, W) of the noise.
        settings: how; the original's if left out.
        guide_image: a picture whose features in the layer are looked for instead.
        seed: of noise and jitter.
        on_progress: called after every step; see `rlvis.progress`.

    Raises:
        InputError: if a name does not exist, the model reads neither greys nor colours, it is not
            differentiable, or a layer does not take images of this size.
        NonFiniteError: if the gradient is not finite.
    """
    require_image_model(model)
    settings = settings or DreamSettings()
    check_whole("seed", seed, 0, MOST_SEED)
    for side in size:
        check_whole("size", side, SMALLEST_SIDE, LARGEST_SIDE)
    objective = _objective(model, what, guide_image)
    generator = torch.Generator().manual_seed(seed)
    channels = image_channels(model)
    if channels not in (1, 3):
        raise InputError(
            f"{model.name} reads {channels} channels; dreams need one of greys or three of colours"
        )
    before = _noise(size, generator) if image is None else as_images(image)[:1].float() / 255
    if before.shape[1] != channels:
        before = before.mean(dim=1, keepdim=True).expand(-1, channels, -1, -1)
    after = _dreamt(model, objective, before, settings, generator, reporter(on_progress))
    return Dream(
        model.name,
        objective.name,
        settings,
        as_picture(before[0].cpu().numpy()),
        as_picture(after[0].cpu().numpy()),
        None if guide_image is None else seen_part(model, as_images(guide_image)[0]),
    )


@renamed_parameters(on_step=DONE_AND_TOTAL)
def dream_film(
    model: ImageModel,
    what: str | Objective,
    path: str | Path,
    image: Images | None = None,
    *,
    frames: int = 60,
    fps: float = 15,
    zoom: float = 1.04,
    size: tuple[int, int] = (360, 480),
    settings: DreamSettings | None = None,
    guide_image: Images | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Path:
    """A film that goes deeper and deeper into a dream, and its path.

    Args:
        path: ends in .mp4 or .gif.
        frames: how many.
        fps: per second.
        zoom: by how much each frame is closer than the one before.
        settings: of the first frame; the later ones take one octave and a third of the iterations.
        on_progress: called after every frame; see `rlvis.progress`.
        model: as for `dream`.
        what: as for `dream`.
        image: as for `dream`.
        size: as for `dream`.
        guide_image: as for `dream`.
        seed: as for `dream`.

    Raises:
        InputError: as for `dream`, or if the file cannot be written or numbers are not positive.
    """
    require_image_model(model)
    check_whole("frames", frames, 1, MANY)
    check_real("fps", fps, 0.1, 120)
    check_real("zoom", zoom, 1.0001, 10)
    settings = settings or DreamSettings()
    objective = _objective(model, what, guide_image)
    report = reporter(on_progress)
    later = replace(settings, octaves=1, iterations=max(1, settings.iterations // 3))
    title = f"{model.name} dreams of {objective.name}"
    with film_writer(Path(path), fps) as write:
        picture = dream(
            model, objective, image, size=size, settings=settings, seed=seed, on_progress=silent
        ).after
        for number in range(frames):
            write(_titled(picture, title))
            report(Progress(title, number + 1, frames, "frames"))
            if number + 1 < frames:
                closer = _closer(picture, zoom)
                picture = dream(
                    model,
                    objective,
                    closer,
                    settings=later,
                    seed=seed + number,
                    on_progress=silent,
                ).after
    return Path(path)


def _noise(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    noise = torch.randn(1, 3, *size, generator=generator) * 0.08 + 0.46
    return noise.clamp(0, 1)


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    """A frame of a film with its title underneath."""
    band = np.full((_BAND, picture.shape[1], 3), DARK.background, np.uint8)
    on_dark(band, fit(title, picture.shape[1] - 16, 13), 8, 4, 13)
    return np.concatenate([picture, band])


def _objective(model: ImageModel, what: str | Objective, guide_image: Images | None) -> Objective:
    if isinstance(what, Objective):
        return what
    layers = {name for name, _ in model.module.named_modules() if name}
    if guide_image is not None:
        check_layers(model, [what])
        return guide(what, activations_of(model, guide_image, what))
    return whole_layer(what) if what in layers else parse(what, model)


def _dreamt(
    model: ImageModel,
    objective: Objective,
    pixels: Tensor,
    settings: DreamSettings,
    generator: torch.Generator,
    report: OnProgress,
) -> Tensor:
    """The picture (1, C, H, W) in 0..1 after all octaves."""
    network = ObjectiveNetwork(model, objective)
    blank = torch.zeros(1, *pixels.shape[1:], dtype=torch.uint8)
    scale = PixelScale.of(model, blank)
    wanted, done = settings.octaves * settings.iterations, 0
    original = pixels.to(model.device)
    detail = torch.zeros_like(original[..., :1, :1])
    for height, width in _octaves(settings, *original.shape[-2:]):
        base = F.interpolate(original, (height, width), mode="bilinear", antialias=True)
        image = base + F.interpolate(detail, (height, width), mode="bilinear")
        for _ in range(settings.iterations):
            image = _step(network, scale, image, settings, generator)
            done += 1
            report(Progress(f"dreaming of {objective.name}", done, wanted, "steps"))
        detail = image - base
    return image


def _octaves(settings: DreamSettings, height: int, width: int) -> Iterator[tuple[int, int]]:
    """Sizes from small to large, none below 32 pixels unless the picture is."""
    for octave in range(settings.octaves - 1, -1, -1):
        factor = settings.scale**-octave
        down, across = (max(min(32, side), round(side * factor)) for side in (height, width))
        yield down, across


def _step(
    network: ObjectiveNetwork,
    scale: PixelScale,
    image: Tensor,
    settings: DreamSettings,
    generator: torch.Generator,
) -> Tensor:
    """One step of normalised gradient ascent, the picture shifted meanwhile."""
    reach = settings.jitter
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    shifted = image.roll((down, right), (-2, -1)).detach().requires_grad_(True)
    with torch.enable_grad():
        value = network(scale.inputs(shifted)).sum()
        if not value.requires_grad:
            raise InputError(f"{network.name} does not depend on the image; name another layer")
        (gradient,) = torch.autograd.grad(value, shifted)
    size = gradient.abs().mean()
    if not bool(torch.isfinite(size)):
        raise NonFiniteError("the gradient of the dream is NaN or infinite; check the weights")
    change = settings.step / 255 * gradient / size.clamp(min=1e-12)
    return (shifted.detach() + change).clamp(0, 1).roll((-down, -right), (-2, -1))


def _closer(picture: np.ndarray, zoom: float) -> np.ndarray:
    """The middle of a picture at the size of the whole."""
    height, width = picture.shape[:2]
    rows, columns = (max(1, round(length * (1 - 1 / zoom) / 2)) for length in (height, width))
    middle = torch.from_numpy(picture[rows : height - rows, columns : width - columns].copy())
    planes = middle.permute(2, 0, 1)[None].float()
    closer = F.interpolate(planes, (height, width), mode="bicubic").clamp(0, 255)
    return closer[0].permute(1, 2, 0).round().byte().numpy()
