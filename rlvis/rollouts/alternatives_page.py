"""The page of a moment's futures: what was seen there, and what came of each action."""

from collections.abc import Sequence

import numpy as np

from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import label_colour
from rlvis.display.tiles import Row, Tile
from rlvis.images.frames import picture_of
from rlvis.rollouts.branches import Futures
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.header import Header

_MOMENTS = 5
_TILE = (168, 224)


def what_if_page(
    header: Header,
    where: tuple[int, int],
    episode: Episode,
    futures: Sequence[Futures],
    brought_by: str,
) -> Page:
    """What was seen at the moment, then a row for each action: its first future, in steps.

    Args:
        header: of the recording.
        where: the number of the episode, and of the step in it.
        episode: as it went on in the recording, from the moment.
        futures: by action.
        brought_by: how the environment was brought to the moment: "state" or "replay".
    """
    probabilities = " ".join(
        f"{name} {share:.2f}"
        for name, share in zip(header.actions, episode.probabilities[0], strict=True)
    )
    value = "" if np.isnan(episode.values[0]) else f", value {episode.values[0]:.2f}"
    ways = {"state": "its recorded state", "replay": "playing it again from its seed"}
    count = len(futures[0].episodes)
    each = f"{count} futures of each action" if count > 1 else "one future of each action"
    lines = [
        f"π there: {probabilities}{value}; recorded: {episode.outcome} after {len(episode)} more "
        "steps",
        f"{each}, then {header.policy} goes on; the pictures are of the first; the environment was "
        f"brought there by {ways[brought_by]}",
    ]
    title = f"What if: {header.environment}, episode {where[0]}, step {where[1]}"
    moment = Row(
        [
            Tile(picture, Shown(what, episode=where[0], step=where[1], headed=("episode", "step")))
            for picture, what in _views(episode, 0, header)
        ],
        "the moment",
        tile=_TILE,
    )
    return Page(title, lines, [moment, *(_row(its, header) for its in futures)])


def _row(futures: Futures, header: Header) -> Row:
    """An action's first future, from the step after it on."""
    episode = futures.episodes[0]
    last = len(episode) - 1
    steps = dict.fromkeys(round(last * place / (_MOMENTS - 1)) for place in range(_MOMENTS))
    colour = label_colour(header.actions.index(futures.action))
    tiles = []
    for step in steps:
        picture, _ = _views(episode, step, header)[-1]
        words = f"{step} step{'s' * (step != 1)} on"
        if step == 0:
            words = f"{futures.action} is taken"
        shows = Shown(words, notes=[episode.outcome] if step == last else [])
        tiles.append(Tile(picture, shows, colour if step == 0 else None))
    return Row(tiles, futures.title, futures.summary, tile=_TILE)


def _views(episode: Episode, step: int, header: Header) -> list[tuple[np.ndarray, str]]:
    """The camera, and the environment's own view where there is one; with what they are."""
    camera = picture_of(episode.observations[step], header.frames)
    views = [(camera, "what the policy sees")]
    if episode.renders is not None:
        views.append((episode.renders[step], "the environment's own view"))
    return views
