"""The command `rlvis export`."""

from pathlib import Path

from tyro.conf import Positional

from rlvis.errors import InputError


def command(
    recording: Positional[Path],
    rrd: Path | None = None,
    tensorboard: Path | None = None,
    wandb: str | None = None,
) -> None:
    """Give a recording to other tools.

    Args:
        recording: the folder of the recording.
        rrd: write frames, heatmaps and curves for Rerun's viewer to this file (.rrd).
        tensorboard: write curves for TensorBoard to this folder.
        wandb: log curves to this project of Weights & Biases, where that is installed.
    """
    from rlvis.rollouts.export.rerun import check_rrd, to_rerun
    from rlvis.rollouts.export.tensorboard import to_tensorboard
    from rlvis.rollouts.export.wandb import to_wandb
    from rlvis.rollouts.recording import Recording

    if rrd is None and tensorboard is None and wandb is None:
        raise InputError(
            "nothing to export; say --rrd FILE, --tensorboard FOLDER or --wandb PROJECT"
        )
    if rrd is not None:
        check_rrd(rrd)
    opened = Recording.open(recording)
    if rrd is not None:
        print(to_rerun(opened, rrd))
    if tensorboard is not None:
        print(to_tensorboard(opened, tensorboard))
    if wandb is not None:
        print(f"run {to_wandb(opened, wandb)} of {wandb}")
