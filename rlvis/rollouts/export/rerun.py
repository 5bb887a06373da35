"""A recording for Rerun's viewer: `rerun FILE.rrd`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.display.overlays import grey, limit, overlay
from rlvis.errors import InputError
from rlvis.files import check_writable, writing
from rlvis.images.frames import picture_of
from rlvis.rollouts.export.scalars import step_curves

if TYPE_CHECKING:
    from rlvis.rollouts.revisited import RevisitedEpisodes

_KINDS = {".rrd": "rrd"}
_JPEG = 90


def to_rerun(
    recording: "RevisitedEpisodes", path: str | Path, episodes: list[int] | None = None
) -> Path:
    """Write frames, the environment's view, heatmaps of every action and all curves.

    Args:
        recording: the recording.
        path: ends in .rrd.
        episodes: numbers of the episodes; all that are whole when left out.

    Returns:
        The path. Entities are "camera", "environment", "heatmaps/<method>/<action>" and
        "curves/<name>", over the timelines "step", "episode" and "steps in all".

    Raises:
        InputError: if Rerun is not installed, or the file cannot be written.
    """
    try:
        import rerun
    except ModuleNotFoundError:
        raise InputError("this needs Rerun; install it with: pip install 'rlvis[rerun]'") from None
    numbers = recording.readable() if episodes is None else episodes
    with writing(Path(path), _KINDS) as (temporary, _):
        stream = rerun.RecordingStream("rlvis")
        stream.save(str(temporary))
        total = 0
        for number in numbers:
            total = _log_episode(rerun, stream, recording, number, total)
        stream.flush()
        stream.disconnect()
    return Path(path)


def check_rrd(path: str | Path) -> None:
    """Whether `to_rerun` can write there.

    Raises:
        InputError: if not.
    """
    check_writable(path, _KINDS)


def _log_episode(
    rerun: Any, stream: Any, recording: "RevisitedEpisodes", number: int, total: int
) -> int:
    """Log an episode's steps; returns how many steps there are in all by then."""
    header, episode = recording.header, recording.episode(number)
    curves = step_curves(recording, number)
    renders = recording.renders(number)
    for step in range(len(episode)):
        stream.set_time("episode", sequence=number)
        stream.set_time("step", sequence=step)
        stream.set_time("steps in all", sequence=total + step)
        picture = picture_of(episode.observations[step], header.frames)
        stream.log("camera", rerun.Image(picture).compress(_JPEG))
        if renders is not None:
            stream.log("environment", rerun.Image(renders[step]).compress(_JPEG))
        for name, curve in curves.items():
            if np.isfinite(curve[step]):
                stream.log(f"curves/{name}", rerun.Scalars(float(curve[step])))
    for method in header.methods:
        maps = recording.heatmaps(number, method.name)
        most = limit(maps)
        for step in range(len(episode)):
            stream.set_time("episode", sequence=number)
            stream.set_time("step", sequence=step)
            stream.set_time("steps in all", sequence=total + step)
            ground = grey(picture_of(episode.observations[step], header.frames))
            for place, name in enumerate(header.targets or header.actions):
                drawn = overlay(ground, maps[step, place], most, method.signed)
                stream.log(f"heatmaps/{method.name}/{name}", rerun.Image(drawn).compress(_JPEG))
    return total + len(episode)
