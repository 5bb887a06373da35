"""The command `rlvis episodes`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg


def command(
    recording: Positional[Path],
    only: Annotated[UseAppendAction[tuple[str, ...]], arg(name="only")] = (),
    sort: str | None = None,
    reverse: bool = False,
    most: int | None = None,
    out: Path | None = None,
) -> None:
    """List the episodes of a recording: how each ended, where it was least sure, where it fell.

    Columns: seed, outcome, steps, return; margin, the least by which the likeliest action was ahead
    of the next, and its step; drop, the most that the value fell short of its promise in a step;
    surprise, of the most improbable action taken, in nats; entropy, its mean; disagreement, the
    share of steps in which another action than the likeliest was taken; stuck, the longest run of
    steps without a new picture.

    Args:
        recording: the folder of the recording.
        only: failures, successes, timeouts, or a comparison such as "margin < 0.1" or "steps > 40";
            repeat for several, all of which must hold.
        sort: a column; what one looks for comes first: the lowest margin or return, the largest
            drop. In the order of the recording when left out.
        reverse: the other way round.
        most: rows at most.
        out: write the table (.csv, .json, .npz) or a page with pictures (.html, .png) instead of
            printing it.
    """
    from rlvis.options import MANY, check_whole
    from rlvis.rollouts.episode_table import EpisodeTable
    from rlvis.rollouts.recording import Recording

    if out is not None:
        EpisodeTable.check_savable(out)
    if most is not None:
        check_whole("--most", most, 1, MANY)
    table = EpisodeTable.of(Recording.open(recording))
    for each in only:
        table = table.only(each)
    if sort is not None:
        table = table.sort(sort, reverse=reverse)
    print(table.summary)
    if most is not None:
        table = table.head(most)
    if out is not None:
        print(table.save(out))
    elif len(table):
        print(table.text())
