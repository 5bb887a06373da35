"""The command `rlvis episodes`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.playing import RecordedPolicy
from rlvis.cli.regrets import regrets_of


def command(
    recording: Positional[Path],
    only: Annotated[UseAppendAction[tuple[str, ...]], arg(name="only")] = (),
    sort: str | None = None,
    reverse: bool = False,
    most: int | None = None,
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    out: Path | None = None,
) -> None:
    """List the episodes of a recording: how each ended, where it was least sure, where it fell.

    Columns: seed, outcome, steps, return; margin, the least by which the likeliest action was ahead
    of the next, and its step; drop, the most that the value fell short of its promise in a step;
    surprise, of the most improbable action taken, in nats; entropy, its mean; disagreement, the
    share of steps in which another action than the likeliest was taken; stuck, the longest run of
    steps without a new picture; regret, what the costliest decision gave away, where it is asked
    for: every action is tried at every step then, which takes a while.

    Args:
        recording: the folder of the recording.
        only: failures, successes, timeouts, or a comparison such as "margin < 0.1" or "steps > 40";
            repeat for several, all of which must hold.
        sort: a column; what one looks for comes first: the lowest margin or return, the largest
            drop or regret. In the order of the recording when left out.
        reverse: the other way round.
        most: rows at most.
        source: the policy, for regret.
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
    opened = Recording.open(recording)
    table = EpisodeTable.of(opened)
    if sort == "regret" or any(each.startswith("regret") for each in only):
        table = table.with_regrets(regrets_of(opened, source))
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
