"""The moments of a recording that matter: where the value fell, the preference turned, π wavered.

    drop        the value falls the most: what was promised does not come
    flip        the preferred action changes, and how much
    indecision  the likeliest action is hardly ahead of the next
    surprise    an action was taken that π held for improbable
    stuck       the last new picture before a long run of none: it stands still or goes in a circle
    importance  the scores lie furthest apart: HIGHLIGHTS (Amir & Amir 2018)
    regret      another action was worth more, by its true value

Kinds take turns, so that what is strongest by one does not crowd out the others; and a moment whose
picture differs from those chosen before goes first (HIGHLIGHTS-DIV, Amir & Amir 2018, section 4.2).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import label_colour
from rlvis.display.tiles import Row, Tile
from rlvis.errors import InputError, unknown
from rlvis.images.frames import picture_of
from rlvis.options import MANY, check_whole
from rlvis.results import Result, Table
from rlvis.rollouts.diversity import novelty, thumbnail
from rlvis.rollouts.episode import EpisodeNumbers, taken_of
from rlvis.rollouts.signals import Signals, runs_without_news, signals_of

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes

KINDS = ("drop", "flip", "indecision", "surprise", "stuck", "importance", "regret")
USUAL = KINDS[:-2]
_LEAST_STUCK, _MOST_MARGIN, _LEAST_FLIP, _LEAST_REGRET = 8, 0.5, 0.05, 0.001
_CANDIDATES = 8
_APART = 5
_AROUND = (-4, -2, 0, 2, 4)
_TILE = (156, 208)


@dataclass(frozen=True)
class Moment:
    """A step worth looking at.

    Attributes:
        episode: its number in the recording.
        step: in the episode, from 0.
        kind: see the module.
        strength: the number it was chosen by: see `Signals`; for indecision the margin, for stuck
            the steps.
        reason: what happens there, in words.
    """

    episode: int
    step: int
    kind: str
    strength: float
    reason: str


@dataclass(frozen=True, repr=False)
class Moments(Result):
    """Moments of a recording, those that matter most first."""

    recording: "RecordedEpisodes"
    found: Sequence[Moment]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.found)

    def __getitem__(self, place: int) -> Moment:
        return self.found[place]

    @property
    def summary(self) -> str:
        """How many, of what."""
        header = self.recording.header
        return f"{len(self)} moments of {header.policy} in {header.environment}"

    def table(self) -> Table:
        """A row for each moment: episode, step, kind, strength, reason."""
        names = ("episode", "step", "kind", "strength", "reason")
        return {name: [getattr(each, name) for each in self.found] for name in names}

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns of `table`."""
        return {name: np.array(column) for name, column in self.table().items()}

    def page(self) -> Page:
        """What was seen at each moment, before and after, and why it was chosen."""
        lines = [
            "each moment in the middle, steps before and after it beside; under each the action, "
            "and π of it"
        ]
        return Page(self.summary, lines, [_row(self.recording, each) for each in self.found])


class NoMomentsError(InputError):
    """Nothing happens in the episodes."""


def find_moments(
    recording: "RecordedEpisodes",
    most: int = 8,
    *,
    kinds: Sequence[str] = USUAL,
    episodes: Sequence[int] | None = None,
    apart: int = _APART,
    regrets: Mapping[int, np.ndarray] | None = None,
) -> Moments:
    """The moments that matter most over all episodes.

    Args:
        recording: the recording.
        most: moments.
        kinds: of which; those that a policy has no numbers for are left out.
        episodes: numbers of the episodes; all that are whole when left out.
        apart: steps that lie at least between two moments of one episode.
        regrets: float (T,) of every episode by its number, for moments of that kind; see
            `rlvis.evaluation.regret.recorded_regrets`.

    Raises:
        InputError: if there is no such kind or episode, or nothing happens in the episodes by any
            of the kinds.
    """
    check_whole("moments", most, 1, MANY)
    check_whole("apart", apart, 0, MANY)
    for each in kinds:
        if each not in KINDS:
            raise unknown("kind of moment", each, KINDS)
    if "regret" in kinds and regrets is None:
        raise InputError(
            "moments of regret need the true values of the actions; give regrets, as of "
            "rlvis.evaluation.regret.recorded_regrets(recording)"
        )
    if not kinds:
        raise InputError(f"no kind of moment is named; choose of {', '.join(KINDS)}")
    if episodes is not None and not episodes:
        raise InputError("no episode to look for moments in; name at least one")
    played = recording.all_numbers(episodes)
    strengths = {
        number: _Strengths(recording, number, each, (regrets or {}).get(number))
        for number, each in played.items()
    }
    pools = {kind: _strongest(kind, strengths, max(most, _CANDIDATES) * 4, apart) for kind in kinds}
    pools = {kind: pool for kind, pool in pools.items() if pool}
    if not pools:
        raise NoMomentsError(
            f"no step of these episodes is a moment of the kind {' or '.join(kinds)}; "
            f"the kinds are {', '.join(KINDS)}"
        )
    chosen = _take_turns(recording, pools, most, apart)
    return Moments(
        recording,
        [
            Moment(number, step, kind, value, _reason(recording, number, step, kind, value))
            for kind, number, step, value in chosen
        ],
    )


Candidate = tuple[str, int, int, float]
"""Kind, episode, step, strength."""


class _Strengths:
    """How much each step of an episode is a moment, by kind."""

    def __init__(
        self,
        recording: "RecordedEpisodes",
        number: int,
        episode: EpisodeNumbers,
        regrets: np.ndarray | None,
    ) -> None:
        self._recording, self._number, self._regrets = recording, number, regrets
        self._signals = signals_of(episode)

    def of(self, kind: str) -> np.ndarray:
        """Float64 (T,), −inf where a step is none."""
        if kind == "stuck":
            codes = self._recording.picture_codes(self._number)
            return strength_of_runs(runs_without_news(codes))
        if kind == "regret":
            regrets = (
                np.zeros(len(self._signals.margin)) if self._regrets is None else self._regrets
            )
            return np.where(regrets > _LEAST_REGRET, regrets, -np.inf)
        return strength_of(kind, self._signals)


def strength_of_runs(runs: np.ndarray) -> np.ndarray:
    """Float64 (T,): the length of the run without news that begins at a step; −inf for short ones.

    Args:
        runs: of `rlvis.rollouts.signals.runs_without_news`.
    """
    return np.where(runs >= _LEAST_STUCK, runs.astype(float), -np.inf)


def strength_of(kind: str, signals: Signals) -> np.ndarray:
    """Float64 (T,): the more, the more a step is such a moment; −inf where it is none."""
    if kind == "indecision":
        values, is_one = -signals.margin, signals.margin < _MOST_MARGIN
    elif kind == "surprise":
        values, is_one = signals.surprise, signals.greedy == 0
    else:
        values = getattr(signals, kind)
        is_one = values > {"flip": _LEAST_FLIP}.get(kind, 0)
    return np.where(np.isfinite(values) & is_one, values, -np.inf)


def _strongest(
    kind: str, strengths: dict[int, _Strengths], most: int, apart: int
) -> list[Candidate]:
    """The strongest steps of a kind, apart from each other, the strongest first."""
    rows = [(number, each.of(kind)) for number, each in strengths.items()]
    numbers = np.concatenate([np.full(len(values), number) for number, values in rows])
    steps = np.concatenate([np.arange(len(values)) for _, values in rows])
    values = np.concatenate([values for _, values in rows])
    found: list[Candidate] = []
    for place in np.argsort(-values, kind="stable"):
        if len(found) == most or np.isneginf(values[place]):
            break
        number, step = int(numbers[place]), int(steps[place])
        if all(abs(step - other) > apart for _, its, other, _ in found if its == number):
            strength = -values[place] if kind == "indecision" else values[place]
            found.append((kind, number, step, float(strength)))
    return found


def _take_turns(
    recording: "RecordedEpisodes", pools: dict[str, list[Candidate]], most: int, apart: int
) -> list[Candidate]:
    """The kinds in turn give of their strongest the one least like those given before."""
    chosen: list[Candidate] = []
    seen: list[np.ndarray] = []
    thumbs: dict[tuple[int, int], np.ndarray] = {}
    for kind in cycle(pools):
        pool = pools[kind] = [
            each
            for each in pools[kind]
            if not any(each[1] == its[1] and abs(each[2] - its[2]) <= apart for its in chosen)
        ]
        if len(chosen) == most or not any(pools.values()):
            return chosen
        if not pool:
            continue
        best = pool[: _CANDIDATES if seen else 1]
        for _, number, step, _ in best:
            if (number, step) not in thumbs:
                thumbs[number, step] = thumbnail(
                    recording.observations(number, slice(step, step + 1))[0]
                )
        place = int(novelty([thumbs[each[1:3]] for each in best], seen).argmax())
        chosen.append(best[place])
        seen.append(thumbs[best[place][1:3]])
    raise AssertionError("cycle never ends")


def _reason(recording: "RecordedEpisodes", number: int, step: int, kind: str, value: float) -> str:
    episode = recording.numbers(number)
    actions = recording.header.actions
    probabilities = episode.probabilities[step]
    if kind == "drop":
        last = step == len(episode) - 1
        then = "the episode ends" if last else f"the next is {episode.values[step + 1]:.2f}"
        return (
            f"the value falls short by {value:.2f}: it was {episode.values[step]:.2f}, "
            f"the reward {written(episode.rewards[step])}, {then}"
        )
    if kind == "stuck":
        return f"nothing new is seen for the next {value:.0f} steps"
    if kind == "regret":
        return f"another action is worth {value:.3f} more than the one taken"
    if kind == "importance":
        return f"the scores of the actions lie {value:.2f} apart"
    ranked = np.argsort(-np.nan_to_num(probabilities, nan=-1))[:2]
    by = [f"{actions[each]} {probabilities[each]:.2f}" for each in ranked]
    if kind == "indecision":
        return (
            f"undecided: {' against '.join(by)}"
            if np.isfinite(probabilities).all()
            else (f"undecided: the best is only {written(value)} ahead")
        )
    if kind == "flip":
        return f"the preference turns: now {', '.join(by)}"
    taken = _taken_names(recording, number, step)
    return f"takes {taken}, which π held for improbable (e^−{value:.1f}); likeliest: {by[0]}"


def _taken_names(recording: "RecordedEpisodes", number: int, step: int) -> str:
    episode, actions = recording.numbers(number), recording.header.actions
    chosen = episode.distribution.taken(episode.actions[step : step + 1])[0]
    return " and ".join(actions[place] for place in np.flatnonzero(chosen)) or "no action"


def _row(recording: "RecordedEpisodes", moment: Moment) -> Row:
    """The moment in the middle, steps before and after it beside it."""
    header = recording.header
    episode = recording.numbers(moment.episode)
    taken = taken_of(header.distribution, episode.actions)
    tiles = []
    for shift in _AROUND:
        step = moment.step + shift
        if not 0 <= step < len(episode):
            continue
        values, frame = {}, None
        if taken is not None:
            share = episode.probabilities[step, taken[step]]
            values = {header.actions[taken[step]]: f"{share:.2f}"}
            frame = label_colour(int(taken[step])) if shift == 0 else None
        observation = recording.observations(moment.episode, slice(step, step + 1))[0]
        shows = Shown(episode=moment.episode, step=step, values=values, headed=("episode",))
        tiles.append(Tile(picture_of(observation, header.frames), shows, frame))
    heading = f"{moment.kind}: episode {moment.episode}, step {moment.step}"
    note = f"{moment.reason} ({episode.outcome})"
    return Row(tiles, heading, note, tile=_TILE)
