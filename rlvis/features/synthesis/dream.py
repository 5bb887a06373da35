"""DeepDream (Mordvintsev, Olah & Tyka 2015): what a layer sees in a picture, drawn into it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.display.encode import film_writer
from rlvis.errors import InputError, NonFiniteError
from rlvis.features.activations import activations_of, check_layers
from rlvis.features.pixels import PixelScale
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import Objective, guide, parse, whole_layer
from rlvis.images import Images, as_images
from rlvis.model import ImageModel


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

    def __post_init__(self) -> None:
        if self.octaves < 1 or self.iterations < 1 or self.scale <= 1 or not self.step > 0:
            raise InputError(
                f"octaves={self.octaves}, iterations={self.iterations}, scale={self.scale:g}, "
                f"step={self.step:g} dream nothing; take positive numbers and a scale above 1"
            )


def dream(
    model: ImageModel,
    what: str | Objective,
    image: Images | None = None,
    *,
    size: tuple[int, int] = (360, 480),
    settings: DreamSettings | None = None,
    guide_image: Images | None = None,
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Draw into a picture what a layer or unit sees in it.

    Args:
        model: the network; its layers up to the one dreamt of must take images of any size.
        what: a layer (all that it sees, made stronger), a unit "layer:17", or an objective.
        image: the picture, in its own size; noise if left out.
        size: (H, W) of the noise.
        settings: how; the original's if left out.
        guide_image: a picture whose features in the layer are looked for instead.
        seed: of noise and jitter.
        on_step: called with the steps done and wanted.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InputError: if a name does not exist, the model sees no colours, or a layer does not take
            images of this size.
        NonFiniteError: if the gradient is not finite.
    """
    settings = settings or DreamSettings()
    objective = _objective(model, what, guide_image)
    generator = torch.Generator().manual_seed(seed)
    if image is None:
        noise = torch.randn(1, 3, *size, generator=generator) * 0.08 + 0.46
        pixels = noise.clamp(0, 1)
    else:
        pixels = as_images(image)[:1].float() / 255
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    dreamt = _dreamt(model, objective, pixels, settings, generator, on_step)
    return (dreamt[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()


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
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """A film that goes deeper and deeper into a dream, and its path.

    Args:
        path: ends in .mp4 or .gif.
        frames: how many.
        fps: per second.
        zoom: by how much each frame is closer than the one before.
        settings: of the first frame; the later ones take one octave and a third of the iterations.
        on_step: called with the frames done and wanted.
        model, what, image, size, seed: as for `dream`.

    Raises:
        InputError: as for `dream`, or if the file cannot be written or numbers are not positive.
    """
    if frames < 1 or zoom <= 1:
        raise InputError(f"{frames} frames at a zoom of {zoom:g} show nothing; take more than 1")
    settings = settings or DreamSettings()
    objective = _objective(model, what, None)
    later = DreamSettings(
        1, settings.scale, max(1, settings.iterations // 3), settings.step, settings.jitter
    )
    with film_writer(Path(path), fps) as write:
        picture = dream(model, objective, image, size=size, settings=settings, seed=seed)
        for number in range(frames):
            write(picture)
            if on_step:
                on_step(number + 1, frames)
            if number + 1 < frames:
                closer = _closer(picture, zoom)
                picture = dream(model, objective, closer, settings=later, seed=seed + number)
    return Path(path)


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
    on_step: Callable[[int, int], None] | None,
) -> Tensor:
    """The picture (1, 3, H, W) in 0..1 after all octaves."""
    network = ObjectiveNetwork(model, objective)
    scale = PixelScale.of(model, torch.zeros(1, 3, *pixels.shape[-2:], dtype=torch.uint8))
    if scale.shape[0] != 3:
        raise InputError(f"{model.name} sees no colours; dreams need an input of three channels")
    wanted, done = settings.octaves * settings.iterations, 0
    original = pixels.to(model.device)
    detail = torch.zeros_like(original[..., :1, :1])
    for height, width in _octaves(settings, *original.shape[-2:]):
        base = F.interpolate(original, (height, width), mode="bilinear", antialias=True)
        image = base + F.interpolate(detail, (height, width), mode="bilinear")
        for _ in range(settings.iterations):
            image = _step(network, scale, image, settings, generator)
            done += 1
            if on_step:
                on_step(done, wanted)
        detail = image - base
    return image


def _octaves(settings: DreamSettings, height: int, width: int) -> Iterator[tuple[int, int]]:
    """Sizes from small to large, none below 32 pixels."""
    for octave in range(settings.octaves - 1, -1, -1):
        factor = settings.scale**-octave
        yield max(32, round(height * factor)), max(32, round(width * factor))


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
