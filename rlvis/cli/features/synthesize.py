"""The command `rlvis features synthesize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import check_outputs, write_outputs
from rlvis.cli.loading import (
    USUAL,
    Network,
    open_image_set,
    refuse_unused,
    tell_skipped,
)
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.display.tiles import Row


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
        out: the page to write (.png, .jpg, .webp, .pdf, .html), or the numbers as for data.
        data: also write images and values (.npz, .safetensors, .csv).
    """
    from rlvis.features.synthesis.objectives import parse
    from rlvis.features.synthesis.real_images import strongest
    from rlvis.features.synthesis.visualization import Syntheses, Synthesis, together
    from rlvis.features.synthesis.visualization import synthesize as make
    from rlvis.interrupt import Stopped

    check_outputs(Syntheses, out, data)
    if not objectives:
        raise InputError("nothing to excite; name a label or a unit as layer:17")
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
            with stoppable_progress() as on_progress:
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
                    on_progress=on_progress,
                )
            made.append(one)
            if one.fault:
                kind = Stopped if one.stopped else InputError
                raise kind(f"{one.fault}; the last good images are in {out}")
            if opened is not None:
                with stoppable_progress() as on_progress:
                    real.append(
                        strongest(
                            inspected,
                            opened,
                            objective,
                            skipped=skipped,
                            on_progress=on_progress,
                        )
                    )
    finally:
        if made:
            write_outputs(together(made), out, data, real)
        if opened is not None:
            tell_skipped(opened, skipped)
