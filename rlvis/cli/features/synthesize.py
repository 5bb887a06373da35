"""The command `rlvis features synthesize`."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.inputs import ANY_DEPTH, DepthWindow, tell_skipped
from rlvis.cli.features.outputs import Files
from rlvis.cli.loading import USUAL, Network, refuse_unused
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.display.tiles import Row
    from rlvis.features.synthesis.visualization import Synthesis


@dataclass(frozen=True)
class Ascent:
    """How images are made; see `rlvis.features.synthesize`.

    Attributes:
        count: how many images of each.
        steps: of gradient ascent.
        size: height and width, the model's own when left out.
        parametrization: by the spectrum, or plain pixels.
        robust: move the images at random meanwhile.
        diverse: how much the images of a row are driven apart.
        seed: of start and moves.
    """

    count: int = 1
    steps: int = 512
    size: tuple[int, int] | None = None
    parametrization: Literal["fourier", "pixels"] = "fourier"
    robust: bool = True
    diverse: float = 0.0
    seed: int = 0


def command(
    objectives: Positional[tuple[str, ...]],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    ascent: OmitArgPrefixes[Ascent] = Ascent(),
    images: str | None = None,
    depth: OmitArgPrefixes[DepthWindow] = ANY_DEPTH,
    files: OmitArgPrefixes[Files] = Files(Path("synthesis.png")),  # noqa: B008
) -> None:
    """Images that excite a class, a unit or a combination of them most.

    Args:
        objectives: labels, units as layer:17 (layer:17@middle for one place), and sums and
            differences of them, as in "left - right"; a row each. Any direction in a layer is for
            Python: `rlvis.features.objectives.direction`.
        network: the network to look into.
        ascent: how images are made.
        images: real images, of which the strongest are shown beside.
        depth: how pictures of more than 8 bits are seen.
        files: what is written.
    """
    from rlvis.features.synthesis.objectives import parse
    from rlvis.features.synthesis.real_images import strongest
    from rlvis.features.synthesis.visualization import Syntheses, synthesize, together

    files.check(Syntheses)
    if not objectives:
        raise InputError("nothing to excite; name a label or a unit as layer:17")
    if images is None:
        refuse_unused("without --images", window=depth.window)
    if ascent.count == 1:
        refuse_unused("for one image; it is for --count 2 and more", diverse=ascent.diverse)
    inspected = network.load()
    for objective in objectives:
        parse(objective, inspected)
    opened = None if images is None else depth.open_images(images)
    made: list[Synthesis] = []
    real: list[Row] = []
    skipped: dict[int, str] = {}
    try:
        for objective in objectives:
            with stoppable_progress() as on_progress:
                made.append(
                    synthesize(inspected, objective, on_progress=on_progress, **asdict(ascent))
                )
            _check_whole(made[-1], files.out)
            if opened is not None:
                with stoppable_progress() as on_progress:
                    find = partial(strongest, skipped=skipped, on_progress=on_progress)
                    real.append(find(inspected, opened, objective))
    finally:
        if made:
            files.write(together(made), real)
        if opened is not None:
            tell_skipped(opened, skipped)


def _check_whole(made: "Synthesis", out: Path) -> None:
    """Whether images were made in all steps.

    Raises:
        Stopped: if they were stopped.
        InputError: if they went wrong.
    """
    from rlvis.interrupt import Stopped

    if made.fault:
        kind = Stopped if made.stopped else InputError
        raise kind(f"{made.fault}; the last good images are in {out}")
