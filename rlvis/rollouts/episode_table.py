"""Which episodes to look at: a row of numbers for each, sorted and filtered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.errors import InputError, unknown
from rlvis.images.frames import picture_of
from rlvis.results import Result, Table
from rlvis.rollouts.conditions import Condition
from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.signals import runs_without_news, signals_of

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes

WORST_FIRST: dict[str, int] = {
    "episode": 1,
    "seed": 1,
    "outcome": 1,
    "success": 1,
    "steps": -1,
    "return": 1,
    "margin": 1,
    "drop": -1,
    "surprise": -1,
    "entropy": -1,
    "disagreement": -1,
    "stuck": -1,
    "regret": -1,
}
"""The columns that episodes can be sorted by; 1 where the lowest is what one looks for."""

ONLY = ("failures", "successes", "timeouts")
_SHOWN = 12
_TILE = (150, 200)


@dataclass(frozen=True, repr=False)
class EpisodeTable(Result):
    """A row for each episode of a recording.

    =============  ===============================================================================
    episode        its number in the recording
    seed           the environment was reset with
    outcome        how it ended, in a word or two
    success        1, 0, or NaN where nobody says
    steps          how many
    return         the sum of the rewards
    margin         the lowest margin of π in it, and `margin_step`, where
    drop           the largest drop of the value in a step, and `drop_step`, where
    surprise       the most surprising action, in nats, and `surprise_step`, where
    entropy        of π, the mean over its steps, in nats
    disagreement   the share of steps in which another action than the likeliest was taken
    stuck          the longest run of steps without a picture that was new in the episode
    regret         what the costliest decision gave away, and `regret_step`, where; only of
                   `with_regrets`
    =============  ===============================================================================

    `rlvis.rollouts.signals.Signals` defines the numbers; NaN where a policy has no such number.
    """

    recording: "RecordedEpisodes"
    columns: dict[str, np.ndarray]
    only_of: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, recording: "RecordedEpisodes", episodes: Sequence[int] | None = None
    ) -> "EpisodeTable":
        """The table of the episodes of a recording.

        Args:
            recording: the recording.
            episodes: their numbers; all that are whole when left out.

        Raises:
            InputError: if there is none.
        """
        played = recording.all_numbers(episodes)
        rows = [_row(recording, number, episode) for number, episode in played.items()]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return cls(recording, columns)

    def __len__(self) -> int:
        return len(self.columns["episode"])

    @property
    def episodes(self) -> list[int]:
        """The numbers of the episodes, in the order of the rows."""
        return [int(each) for each in self.columns["episode"]]

    def only(self, which: str) -> "EpisodeTable":
        """The rows of some episodes.

        Args:
            which: "failures", "successes", "timeouts" (cut off by a limit without success), or a
                comparison of a column, such as "margin < 0.1".

        Raises:
            InputError: if it is none of these, or nobody says which episodes ended well.
        """
        return self._chosen(np.flatnonzero(self._holds(which)), (*self.only_of, which))

    def sort(self, column: str, *, reverse: bool = False) -> "EpisodeTable":
        """The same rows, what one looks for first: the lowest margin, the largest drop.

        Args:
            column: its name; see the class.
            reverse: the other way round.

        Raises:
            InputError: if there is no such column, or it has no numbers.
        """
        known = [name for name in WORST_FIRST if name in self.columns]
        if column not in known:
            raise unknown("column", column, known)
        values = self.columns[column]
        if values.dtype.kind == "f" and np.isnan(values).all() and len(values):
            raise InputError(f"{self.recording.header.policy} has no {column}; sort by another")
        if values.dtype.kind == "U":
            keys: np.ndarray = np.unique(values, return_inverse=True)[1].astype(float)
        else:
            keys = values.astype(float)
        keys = keys * WORST_FIRST[column] * (-1 if reverse else 1)
        return self._chosen(np.argsort(keys, kind="stable"), self.only_of)

    def with_regrets(self, regrets: Mapping[int, np.ndarray]) -> "EpisodeTable":
        """The same rows with what the costliest decision of each gave away.

        Args:
            regrets: float (T,) of every episode, by its number, as of
                `rlvis.evaluation.regret.recorded_regrets`.
        """
        of_each = [regrets[number] for number in self.episodes]
        steps = np.array([_where(each, 1) for each in of_each], int)
        most = [_at(each, int(step)) for each, step in zip(of_each, steps, strict=True)]
        columns = {**self.columns, "regret": np.array(most), "regret_step": steps}
        return EpisodeTable(self.recording, columns, self.only_of)

    def head(self, most: int) -> "EpisodeTable":
        """The first rows."""
        return self._chosen(np.arange(min(most, len(self))), self.only_of)

    def table(self) -> Table:
        """The columns by name."""
        return self.columns

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns by name."""
        return dict(self.columns)

    @cached_property
    def summary(self) -> str:
        """How many episodes of whom, and how they ended."""
        header, outcomes = self.recording.header, self.columns["outcome"].tolist()
        ended = ", ".join(f"{outcomes.count(each)} {each}" for each in dict.fromkeys(outcomes))
        which = f" ({', '.join(self.only_of)})" if self.only_of else ""
        few = f"{len(outcomes)} episode{'s' if len(outcomes) != 1 else ''}{which}"
        return f"{header.policy} in {header.environment}, {few}" + (f": {ended}" if ended else "")

    def text(self) -> str:
        """The rows as aligned text, as a terminal shows them."""
        names = [name for name in self.columns if name != "success"]
        cells = [[_cell(name, value) for value in self.columns[name]] for name in names]
        widths = [max(map(len, (name, *each))) for name, each in zip(names, cells, strict=True)]
        lines = [names, *zip(*cells, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if name == "outcome" else cell.rjust(width)
                for name, cell, width in zip(names, line, widths, strict=True)
            ).rstrip()
            for line in lines
        )

    def page(self, most: int = _SHOWN) -> Page:
        """The first episodes: what was seen where each was least sure and where the value fell.

        Args:
            most: episodes at most.
        """
        shown = range(min(most, len(self)))
        lines = ["margin: π of the likeliest action less that of the next, the least in an episode"]
        if len(self) > most:
            lines.append(f"the first {most} of {len(self)} episodes")
        return Page(self.summary, lines, [self._episode_row(place) for place in shown])

    def _episode_row(self, place: int) -> Row:
        row = {name: column[place] for name, column in self.columns.items()}
        frames = self.recording.header.frames
        moments = {"start": 0, "least sure": row["margin_step"], "value drops": row["drop_step"]}
        tiles = [
            Tile(
                picture_of(self._observation(int(row["episode"]), int(step)), frames),
                Shown(what, episode=int(row["episode"]), step=int(step), headed=("episode",)),
            )
            for what, step in (*moments.items(), ("end", row["steps"] - 1))
            if step >= 0
        ]
        cells = {
            name: _cell(name, row[name])
            for name in WORST_FIRST
            if name != "success" and name in row
        }
        note = ", ".join(
            f"{name} {cells[name]}" for name in ("outcome", "steps", "return", "margin", "drop")
        )
        heading = f"episode {cells['episode']}, seed {cells['seed']}"
        return Row(tiles, heading, note, tile=_TILE, cells=cells)

    def _observation(self, episode: int, step: int) -> np.ndarray:
        return self.recording.observations(episode, slice(step, step + 1))[0]

    def _holds(self, which: str) -> np.ndarray:
        """Bool for each row."""
        if which not in ONLY:
            condition = Condition.read(which, "filter", f"{', '.join(ONLY)}, or 'margin < 0.1'")
            if condition.name not in self.columns or self.columns[condition.name].dtype.kind == "U":
                numbers = [name for name, each in self.columns.items() if each.dtype.kind != "U"]
                raise unknown("column", condition.name, numbers)
            return condition.compare(self.columns[condition.name])
        success = self.columns["success"]
        if np.isnan(success).all() and len(success):
            raise InputError(
                f"nobody says which of these episodes ended well, so there are no {which}; record "
                "them with a rule such as --success 'return > 0.5', or say --only 'return < 0.5'"
            )
        if which == "timeouts":
            return (success == 0) & (self.columns["outcome"] == "out of time")
        return success == (which == "successes")

    def _chosen(self, places: np.ndarray, only_of: tuple[str, ...]) -> "EpisodeTable":
        chosen = {name: column[places] for name, column in self.columns.items()}
        return EpisodeTable(self.recording, chosen, only_of)


def _row(recording: "RecordedEpisodes", number: int, episode: EpisodeNumbers) -> dict[str, Any]:
    signals = signals_of(episode)
    margin_step, drop_step, surprise_step = (
        _where(signals.margin, -1),
        _where(signals.drop, 1),
        _where(signals.surprise, 1),
    )
    return {
        "episode": number,
        "seed": episode.seed,
        "outcome": episode.outcome,
        "success": np.nan if episode.success is None else float(episode.success),
        "steps": len(episode),
        "return": episode.total_reward,
        "margin": _at(signals.margin, margin_step),
        "margin_step": margin_step,
        "drop": _at(signals.drop, drop_step),
        "drop_step": drop_step,
        "surprise": _at(signals.surprise, surprise_step),
        "surprise_step": surprise_step,
        "entropy": float(signals.entropy.mean()),
        "disagreement": float(1 - signals.greedy.mean()),
        "stuck": int(runs_without_news(recording.picture_codes(number)).max()),
    }


def _where(values: np.ndarray, sign: int) -> int:
    """The step of the most (or least) of T numbers, −1 where there are none."""
    known = np.where(np.isnan(values), -np.inf, sign * values)
    return int(known.argmax()) if np.isfinite(known).any() else -1


def _at(values: np.ndarray, step: int) -> float:
    return float(values[step]) if step >= 0 else np.nan


def _cell(name: str, value: Any) -> str:
    if isinstance(value, (str, np.str_)):
        return str(value)
    if np.isnan(value) or (name.endswith("_step") and value < 0):
        return "–"
    if name in ("disagreement",):
        return f"{value:.0%}"
    if name == "return":
        return written(value, 4)
    return f"{value:.3f}" if isinstance(value, (float, np.floating)) else str(value)
