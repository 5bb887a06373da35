"""A recording's curves for TensorBoard: `tensorboard --logdir FOLDER`."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlvis.errors import InputError
from rlvis.files import write_error
from rlvis.rollouts.export.scalars import episode_curves, step_curves

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes


def to_tensorboard(recording: "RecordedEpisodes", folder: str | Path) -> Path:
    """Write curves over the episodes, and of each episode over its steps.

    Args:
        recording: the recording.
        folder: it is made; what TensorBoard's other runs hold in it stays.

    Returns:
        The folder. Runs in it: "episodes", with a point for each, and "episode 3" and so on.

    Raises:
        InputError: if TensorBoard is not installed, or the folder cannot be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "this needs tensorboard; install it with: pip install 'rlvis[agents]'"
        ) from None
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None
    with SummaryWriter(str(folder / "episodes")) as writer:
        for number, row in episode_curves(recording):
            for name, value in row.items():
                writer.add_scalar(f"episodes/{name}", value, number)
    for number in recording.readable():
        with SummaryWriter(str(folder / f"episode {number}")) as writer:
            for name, curve in step_curves(recording, number).items():
                for step in np.flatnonzero(~np.isnan(curve)):
                    writer.add_scalar(f"steps/{name}", float(curve[step]), int(step))
    return folder
