"""The command `rlvis export`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from rlvis.cli.arguments import Methods
from rlvis.cli.loading import refuse_unused
from rlvis.errors import InputError


def command(
    recording: Positional[Path],
    html: Path | None = None,
    methods: Methods = (),
    episodes: Annotated[UseAppendAction[tuple[int, ...]], arg(name="episode")] = (),
    audit: Path | None = None,
    rrd: Path | None = None,
    tensorboard: Path | None = None,
    wandb: str | None = None,
) -> None:
    """Give a recording to other tools.

    Args:
        recording: the folder of the recording.
        html: write the page of `rlvis inspect` to this file (.html), which opens from disk without
            a server.
        methods: of --html, whose maps are in it; repeat for several. Those recorded when left out.
        episodes: of --html, the number of an episode that is in it; repeat for several. All of them
            when left out.
        audit: of --html, an audit of the policy (.html of rlvis audit): its page is part of the
            file, and its verdicts stand beside the maps. Of a .json the verdicts alone.
        rrd: write frames, heatmaps and curves for Rerun's viewer to this file (.rrd).
        tensorboard: write curves for TensorBoard to this folder.
        wandb: log curves to this project of Weights & Biases, where that is installed.
    """
    from rlvis.inspector.exported import check_html, to_html
    from rlvis.rollouts.export.rerun import check_rrd, to_rerun
    from rlvis.rollouts.export.tensorboard import to_tensorboard
    from rlvis.rollouts.export.wandb import to_wandb
    from rlvis.rollouts.recording import Recording

    if html is None and rrd is None and tensorboard is None and wandb is None:
        raise InputError(
            "nothing to export; say --html FILE, --rrd FILE, --tensorboard FOLDER or "
            "--wandb PROJECT"
        )
    if html is None:
        refuse_unused("without --html", methods=methods, episode=episodes, audit=audit)
    else:
        check_html(html)
    if rrd is not None:
        check_rrd(rrd)
    opened = Recording.open(recording)
    if html is not None:
        page = to_html(
            opened, html, methods=methods or None, episodes=episodes or None, audit=audit
        )
        print(page)
    if rrd is not None:
        print(to_rerun(opened, rrd))
    if tensorboard is not None:
        print(to_tensorboard(opened, tensorboard))
    if wandb is not None:
        print(f"run {to_wandb(opened, wandb)} of {wandb}")
