"""The command `rlvis features dream`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import Files
from rlvis.cli.loading import USUAL, Network, refuse_unused
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.models.image_model import ImageModel


def command(
    image: Positional[Path | None] = None,
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    what: str | None = None,
    guide: Path | None = None,
    octaves: int = 4,
    scale: float = 1.4,
    iterations: int = 10,
    step: float = 1.5,
    jitter: int = 32,
    size: tuple[int, int] = (360, 480),
    seed: int = 0,
    bare: bool = False,
    video: Path | None = None,
    frames: int = 60,
    files: OmitArgPrefixes[Files] = Files(Path("dream.png")),  # noqa: B008
) -> None:
    """DeepDream: what a layer sees in a picture, or in noise, drawn into it.

    Args:
        image: the picture; noise when left out.
        network: the network to look into.
        what: a layer, or a unit as layer:17; the last spatial layer when left out.
        guide: a picture whose features in the layer are looked for.
        octaves: sizes at which it is dreamt.
        scale: between two octaves.
        iterations: steps at each octave.
        step: mean change by a step, of 255.
        jitter: shift at each step, in pixels.
        size: height and width of the noise.
        seed: of noise and jitter.
        bare: write the dream alone, without what was there before beside it.
        video: write a film that goes deeper and deeper instead (.mp4 or .gif).
        frames: of the film.
        files: what is written.
    """
    from PIL import Image

    from rlvis.features.synthesis import deep_dream as dreams
    from rlvis.file_kinds import save_picture
    from rlvis.instrument.layers import resolve_layer

    files.check(dreams.Dream)
    if video is not None and files.data is not None:
        raise InputError("--data takes a picture, not a film; leave one of them out")
    if video is None:
        refuse_unused("without --video", frames=frames != 60)
    if image is not None:
        refuse_unused("for a picture, which has its own", size=size != (360, 480))
    inspected = network.load()
    if what is None:
        blank, context = _blank_input(inspected), inspected.blank_context(1)
        what = resolve_layer(inspected, blank, None, context)
    settings = dreams.DreamSettings(octaves, scale, iterations, step, jitter)
    with stoppable_progress() as on_progress:
        options: dict[str, Any] = {
            "size": size,
            "settings": settings,
            "guide_image": guide,
            "seed": seed,
            "on_progress": on_progress,
        }
        if video is not None:
            print(dreams.dream_film(inspected, what, video, image, frames=frames, **options))
            return
        dreamt = dreams.dream(inspected, what, image, **options)
    if not bare:
        files.write(dreamt)
        return
    print(save_picture(Image.fromarray(dreamt.after), files.out))
    files.write_data(dreamt)


def _blank_input(model: "ImageModel") -> Any:
    import torch

    from rlvis.models.pixels import input_shape

    return model.inputs(torch.zeros(1, *input_shape(model), dtype=torch.uint8))
