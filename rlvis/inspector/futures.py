"""What comes of a moment as the page is told it: how often, by which chance, seen at some steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from PIL import Image

from rlvis.inspector.answers import Posted
from rlvis.inspector.faults import UnreadableError
from rlvis.models.distributions import Greedy
from rlvis.models.policy import Policy
from rlvis.rollouts.branches import Futures
from rlvis.rollouts.episode import Episode, taken_of

MOST_STEPS = 1000
"""Of a future."""

_MOST_FUTURES = 64
_MOST_VIEWS = 12
_VIEW = (160, 120)


@dataclass(frozen=True)
class Chance:
    """How futures are played, as `rlvis whatif` plays them where nothing else is said.

    Attributes:
        deterministic: whether the most probable action is taken in place of one that is sampled.
        futures: of each action, where actions are sampled.
    """

    deterministic: bool = False
    futures: int = 8

    @classmethod
    def read(cls, said: Posted) -> Self:
        """What the page says of it.

        Raises:
            InputError: if it cannot be read, or these are too many.
        """
        given: dict[str, Any] = {
            name: said.get(name, kind) for name, kind in _KINDS.items() if name in said.said
        }
        chance = cls(**given)
        if not 1 <= chance.futures <= _MOST_FUTURES:
            raise UnreadableError(f"ask for 1 to {_MOST_FUTURES} futures, not {chance.futures}")
        return chance

    def samples(self, policy: Policy) -> bool:
        """Whether actions are sampled."""
        return not (self.deterministic or isinstance(policy.distribution, Greedy))

    def count(self, policy: Policy) -> int:
        """How many futures there are."""
        return self.futures if self.samples(policy) else 1


_KINDS: dict[str, type] = {"deterministic": bool, "futures": int}


def told(episodes: Sequence[Episode]) -> dict[str, Any]:
    """What came of a moment: of the first future by itself, and of all together in words."""
    first = episodes[0]
    return {
        "outcome": first.outcome,
        "success": first.success,
        "steps": len(first),
        "return": first.total_reward,
        "taken": taken_of(first.distribution, first.actions),
        "probability": first.probabilities,
        "count": len(episodes),
        "summary": Futures("", False, episodes).summary,
    }


def futures_told(
    of: Iterable[tuple[str, Sequence[Episode]]],
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """What came of each of some actions, and what was seen on the way."""
    views, futures = {}, []
    for place, (action, episodes) in enumerate(of):
        futures.append({"action": action, **told(episodes)})
        renders = episodes[0].renders
        if renders is not None:
            views[f"views_{place}"] = some_views(renders)
    return views, futures


def some_views(views: np.ndarray) -> np.ndarray:
    """At most a dozen pictures from first to last, at most 160×120."""
    places = np.linspace(0, len(views) - 1, min(len(views), _MOST_VIEWS)).round().astype(int)
    height, width = views.shape[1:3]
    scale = min(1.0, _VIEW[0] / width, _VIEW[1] / height)
    if scale == 1:
        return views[places]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    reduced = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(views[at]).resize(size, reduced)) for at in places])
