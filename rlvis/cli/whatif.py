"""The command `rlvis whatif`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.playing import RecordedPolicy

Actions = Annotated[UseAppendAction[tuple[str, ...]], arg(name="action", aliases=["-a"])]


def command(
    recording: Positional[Path],
    episode: int,
    step: int,
    actions: Actions = (),
    futures: int = 8,
    deterministic: bool = False,
    max_steps: int = 1000,
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    out: Path | None = None,
    video: Path | None = None,
    fps: float = 10,
) -> None:
    """Go back to a recorded moment, take another action there, and see what comes of it.

    The environment is brought to the moment by the state that the recording keeps, or by playing
    the episode again from its seed; it must then show what was recorded.

    Args:
        recording: the folder of the recording.
        episode: its number, from 0.
        step: in the episode, from 0.
        actions: by name; repeat for several. All of them when left out.
        futures: of each action, with random numbers of their own.
        deterministic: take the most probable action from there on, which gives one future each.
        max_steps: where a future is stopped if it has not ended.
        source: the policy that goes on.
        out: a page of the futures (.html, .png, .pdf), or their numbers (.csv, .json, .npz).
        video: a film (.mp4, .gif) of what was done beside the other action, first future each.
        fps: of the film, steps per second.
    """
    from rlvis.rollouts.alternatives import WhatIf, what_if
    from rlvis.rollouts.film.writing import check_film
    from rlvis.rollouts.recording import Recording

    if out is not None:
        WhatIf.check_savable(out)
    if video is not None:
        check_film(video, fps, "episode")
    opened = Recording.open(recording)
    found = what_if(
        opened,
        source.of(opened),
        episode,
        step,
        actions,
        futures=futures,
        deterministic=deterministic,
        max_steps=max_steps,
    )
    for each in found.futures:
        print(f"{each.title}: {each.summary}")
    if out is not None:
        print(found.save(out))
    if video is not None:
        print(found.save(video, fps=fps))
