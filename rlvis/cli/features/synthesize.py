"""The command `rlvis features synthesize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

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


def command(
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
