"""A recording's curves for Weights & Biases."""

from typing import TYPE_CHECKING

from rlvis.errors import InputError
from rlvis.rollouts.export.scalars import episode_curves, step_curves

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes


def to_wandb(recording: "RecordedEpisodes", project: str) -> str:
    """Log curves over the episodes, and tables of each episode's steps, as a run of a project.

    Where it goes is for wandb's own settings to say (`WANDB_MODE=offline` keeps it on disk).

    Args:
        recording: the recording.
        project: its name.

    Returns:
        The name of the run.

    Raises:
        InputError: if wandb is not installed.
    """
    try:
        import wandb  # type: ignore[import-not-found]
    except ModuleNotFoundError:
        raise InputError("this needs wandb; install it with: pip install wandb") from None
    header = recording.header
    config = {"policy": header.policy, "environment": header.environment}
    with wandb.init(project=project, job_type="rlvis", config=config) as run:
        for number, row in episode_curves(recording):
            run.log({f"episodes/{name}": value for name, value in row.items()}, step=number)
        for number in recording.readable():
            curves = step_curves(recording, number)
            rows = list(zip(*(each.tolist() for each in curves.values()), strict=True))
            run.log({f"steps/episode {number}": wandb.Table(columns=list(curves), data=rows)})
        return str(run.name)
