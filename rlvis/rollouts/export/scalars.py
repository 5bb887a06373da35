"""The numbers of a recording as curves, for tools that draw such."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rlvis.rollouts.episode_table import EpisodeTable
from rlvis.rollouts.signals import signals_of

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes

STEP_SIGNALS = ("margin", "entropy", "surprise", "advantage")
EPISODE_COLUMNS = ("return", "steps", "success", "margin", "drop", "disagreement", "stuck")


def step_curves(recording: "RecordedEpisodes", number: int) -> dict[str, np.ndarray]:
    """The curves of an episode: names such as "probability/left", float (T,) each.

    What a policy has no number for is left out.

    Raises:
        InputError: if there is no such episode, or it is damaged.
    """
    episode = recording.numbers(number)
    signals = signals_of(episode)
    curves = {
        "reward": episode.rewards,
        "return": episode.rewards.cumsum(),
        "value": episode.values,
        **{name: getattr(signals, name) for name in STEP_SIGNALS},
    }
    for kind, numbers in (("probability", episode.probabilities), ("score", episode.logits)):
        names = zip(recording.header.actions, numbers.T, strict=True)
        curves |= {f"{kind}/{name}": column for name, column in names}
    return {name: each for name, each in curves.items() if not np.isnan(each).all()}


def episode_curves(recording: "RecordedEpisodes") -> Iterator[tuple[int, dict[str, float]]]:
    """For each episode its number and the columns of `EpisodeTable` that it has a number for.

    Raises:
        InputError: if no episode is whole.
    """
    table = EpisodeTable.of(recording)
    for place, number in enumerate(table.episodes):
        row = {name: float(table.columns[name][place]) for name in EPISODE_COLUMNS}
        yield number, {name: value for name, value in row.items() if not np.isnan(value)}
