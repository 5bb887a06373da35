"""`rlvis features synthesize` and `dream`: images made by gradients."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.loading import (
    USUAL,
    Network,
    check_outputs,
    open_image_set,
    refuse_unused,
    tell_skipped,
)
from rlvis.cli.progress import progress
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.display.page import Row
    from rlvis.models.image_model import ImageModel


def synthesize(
    objectives: Positional[tuple[str, ...]],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    count: int = 1,
    steps: int = 512,
    size: tuple[int, int] | None = None,
    parametrization: Literal["fourier", "pixels"] = "fourier",
    robust: bool = True,
    diverse: float = 0.0,
    seed: int = 0,
    images: str | None = None,
    window: str | None = None,
    out: Path = Path("synthesis.png"),
    data: Path | None = None,
) -> None:
    """Images that excite a class, a unit or a combination of them most.

    Args:
        objectives: labels, units as layer:17 (layer:17@middle for one place), and sums and
            differences of them, as in "left - right"; a row each. Any direction in a layer is for
            Python: `rlvis.features.objectives.direction`.
        network: the network to look into.
        count: how many images of each.
        steps: of gradient ascent.
        size: height and width, the model's own when left out.
        parametrization: by the spectrum, or plain pixels.
        robust: move the images at random meanwhile.
        diverse: how much the images of a row are driven apart.
        seed: of start and moves.
        images: real images, of which the strongest are shown beside.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the picture to write.
        data: also write images and values (.npz or .safetensors), of one objective.
    """
    from rlvis.features.synthesis.objectives import parse
    from rlvis.features.synthesis.real_images import strongest
    from rlvis.features.synthesis.visualization import Synthesis, save_synthesis
    from rlvis.features.synthesis.visualization import synthesize as make
    from rlvis.interrupt import Stopped

    check_outputs(out, data)
    if not objectives:
        raise InputError("nothing to excite; name a label or a unit as layer:17")
    if data is not None and len(objectives) > 1:
        raise InputError("--data takes one objective; name one, or leave it out")
    if images is None:
        refuse_unused("without --images", window=window)
    if count == 1:
        refuse_unused("for one image; it is for --count 2 and more", diverse=diverse)
    inspected = network.load()
    for objective in objectives:
        parse(objective, inspected)
    opened = open_image_set(images, window) if images else None
    made: list[Synthesis] = []
    real: list[Row] = []
    skipped: dict[int, str] = {}
    try:
        for objective in objectives:
            with progress("step") as (start, advance):
                start(steps, objective)
                one = make(
                    inspected,
                    objective,
                    count=count,
                    size=size,
                    steps=steps,
                    parametrization=parametrization,
                    robust=robust,
                    diverse=diverse,
                    seed=seed,
                    on_step=advance,
                )
            made.append(one)
            if one.fault:
                kind = Stopped if one.stopped else InputError
                raise kind(f"{one.fault}; the last good images are in {out}")
            if opened is not None:
                with progress("image") as (start, advance):
                    start(len(opened), "real images")
                    real.append(
                        strongest(
                            inspected,
                            opened,
                            objective,
                            skipped=skipped,
                            on_batch=lambda done: advance(to=done),
                        )
                    )
    finally:
        if made:
            print(save_synthesis(made, out, real))
            if data is not None:
                print(made[0].save_data(data))
        if opened is not None:
            tell_skipped(opened, skipped)


def dream(
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
    out: Path = Path("dream.png"),
    bare: bool = False,
    video: Path | None = None,
    frames: int = 60,
    data: Path | None = None,
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
        out: the picture to write, with what was there before beside it.
        bare: write the dream alone.
        video: write a film that goes deeper and deeper instead (.mp4 or .gif).
        frames: of the film.
        data: also write the pictures as arrays (.npz or .safetensors).
    """
    from PIL import Image

    from rlvis.display.page import save_picture
    from rlvis.features.synthesis import deep_dream as dreams
    from rlvis.features.synthesis.network import blank_context
    from rlvis.instrument.layers import resolve_layer

    check_outputs(out, data)
    if video is not None and data is not None:
        raise InputError("--data takes a picture, not a film; leave one of them out")
    if video is None:
        refuse_unused("without --video", frames=frames != 60)
    if image is not None:
        refuse_unused("for a picture, which has its own", size=size != (360, 480))
    inspected = network.load()
    if what is None:
        blank, context = _blank_input(inspected), blank_context(inspected, 1)
        what = resolve_layer(inspected, blank, None, context)
    settings = dreams.DreamSettings(octaves, scale, iterations, step, jitter)
    with progress("frame" if video else "step") as (start, advance):

        def on_step(done: int, wanted: int) -> None:
            start(wanted, f"dreaming of {what}")
            advance(to=done)

        options: dict[str, Any] = {
            "size": size,
            "settings": settings,
            "guide_image": guide,
            "seed": seed,
        }
        if video is not None:
            print(
                dreams.dream_film(
                    inspected, what, video, image, frames=frames, on_step=on_step, **options
                )
            )
            return
        dreamt = dreams.dream(inspected, what, image, on_step=on_step, **options)
    print(save_picture(Image.fromarray(dreamt.after), out) if bare else dreamt.save(out))
    if data is not None:
        print(dreamt.save_data(data))


def _blank_input(model: "ImageModel") -> Any:
    import torch

    from rlvis.models.pixels import input_shape

    return model.inputs(torch.zeros(1, *input_shape(model), dtype=torch.uint8))
