"""A recording at a glance: moments of its episodes on a page, and all of its steps as rows."""

from collections.abc import Sequence

import numpy as np

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.results import Table
from rlvis.rollouts.film.writing import frames_of
from rlvis.rollouts.recorded import RecordedEpisodes
from rlvis.rollouts.revisited import RevisitedEpisodes
from rlvis.rollouts.signals import signals_of

_SIGNALS = ("margin", "entropy", "surprise", "advantage")
_MOST_EPISODES = 6
_MOMENTS = 3
_TILE = (225, 400)


def summary_of(recording: RecordedEpisodes) -> str:
    """Who, where, how often and how well, in a few words."""
    header, outcomes = recording.header, recording.outcomes
    ended = ", ".join(f"{outcomes.count(each)} {each}" for each in dict.fromkeys(outcomes))
    episodes = f"{len(outcomes)} episode{'s' if len(outcomes) != 1 else ''}"
    return f"{header.policy} in {header.environment}, {episodes}" + (f": {ended}" if ended else "")


def success_of(recording: RecordedEpisodes) -> str:
    """How many episodes ended well, as far as that is defined."""
    known = [each for each in recording.successes if each is not None]
    if not known:
        return "success not defined (record with a rule such as --success 'return > 0.5')"
    unknown = len(recording) - len(known)
    return f"{sum(known)} with success" + (f", {unknown} with success unknown" if unknown else "")


def overview_page(recording: RevisitedEpisodes, episodes: Sequence[int] | None = None) -> Page:
    """The first, the middle and the last step of episodes, as the film shows them.

    Args:
        recording: the recording.
        episodes: their numbers; the first six when left out.
    """
    header = recording.header
    shown = list(range(len(recording)))[:_MOST_EPISODES] if episodes is None else list(episodes)
    lines = [f"methods: {', '.join(each.name for each in header.methods)}"]
    if len(shown) < len(recording):
        lines.append(f"{len(shown)} of {len(recording)} episodes")
    return Page(summary_of(recording), lines, [_moments(recording, number) for number in shown])


def _moments(recording: RevisitedEpisodes, number: int) -> Row:
    episode = recording.numbers(number)
    last = len(episode) - 1
    steps = dict.fromkeys(round(last * place / (_MOMENTS - 1)) for place in range(_MOMENTS))
    frames = frames_of(recording, number)
    tiles = [
        Tile(
            frames.draw(step, ended=step == last).copy(),
            Shown(episode=number, step=step, notes=[f"of 0–{last}"], headed=("episode",)),
        )
        for step in steps
    ]
    note = f"{episode.outcome}, {len(episode)} steps, return {written(episode.total_reward)}"
    return Row(tiles, f"episode {number}, seed {episode.seed}", note, tile=_TILE)


def step_table(recording: RecordedEpisodes) -> Table:
    """A row for each step: what was done, how likely it was, what came of it.

    Returns:
        Columns by name: "episode", "step", "action" (of several entries "action 0" and so on),
        "reward", "value", "margin", "entropy", "surprise" and "advantage" (see
        `rlvis.rollouts.signals.Signals`), "probability <action>" and "score <action>" for each of
        the policy's scores.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for number in range(len(recording)):
        episode = recording.numbers(number)
        actions, signals = episode.actions.reshape(len(episode), -1), signals_of(episode)
        several = actions.shape[1] > 1
        row = {
            "episode": np.full(len(episode), number),
            "step": np.arange(len(episode)),
            **{
                f"action {place}" if several else "action": column
                for place, column in enumerate(actions.T)
            },
            "reward": episode.rewards,
            "value": episode.values,
            **{name: getattr(signals, name) for name in _SIGNALS},
        }
        for kind, values in (("probability", episode.probabilities), ("score", episode.logits)):
            names = zip(recording.header.actions, values.T, strict=True)
            row |= {f"{kind} {action}": column for action, column in names}
        for name, column in row.items():
            columns.setdefault(name, []).append(column)
    return {name: np.concatenate(parts) for name, parts in columns.items()}
