"""Seven actions and more: colours that differ, names that can be read, nothing cut off."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import nn

from rlvis import Policy, record
from rlvis.display.theme import (
    DARK,
    LABEL_COLOURS,
    colour_name,
    label_colour,
    legible,
    length,
    titles,
)
from rlvis.rollouts.film.column_heads import ActionHeads, TargetHeads, most_taken
from rlvis.rollouts.film.feet import _FORMS
from rlvis.rollouts.film.frame_layout import MOST_COLUMNS
from rlvis.rollouts.film.side_by_side import Lane, SideBySide
from rlvis.rollouts.film.writing import frames_of
from rlvis.rollouts.header import Targets
from tests.worlds import Corridor

MOVES = ["UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPLEFT", "DOWNRIGHT", "DOWNLEFT"]
ATARI = ["NOOP", "FIRE", *MOVES, *(f"{each}FIRE" for each in MOVES)]
LONG = [
    f"turn_{way}_and_move"
    for way in ("left", "right", "half_left", "half_right", "slowly", "fast", "back", "up", "down")
]


class Many(Corridor):
    """A corridor with many actions, every third of which goes one way."""

    action_names = ()

    def __init__(self, actions: int = 7, **options: Any) -> None:
        super().__init__(action_space=spaces.Discrete(actions), **options)

    def _direction(self, action: Any) -> float:
        return int(action) % 3 - 1

    def _info(self) -> dict[str, Any]:
        return {"place": self.place}

    def step(self, action: Any) -> tuple:
        self.place = int(np.clip(self.place + self._direction(action), 2, self.width - 3))
        self.steps += 1
        return self._observation(), 0.0, False, self.steps >= 12, self._info()


gymnasium.register("ManyActions-v0", Many)


class Net(nn.Module):
    def __init__(self, actions: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU())
        self.head = nn.Linear(8, actions)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((-2, -1)))


def recorded(names: list[str]) -> Any:
    policy = Policy(Net(len(names)).eval(), names, observation_shape=(24, 32, 3), name="many")
    options = {"actions": len(names)}
    return record(
        policy, "tests.test_many_actions:ManyActions-v0", methods=["cam"], env_options=options
    )


def test_colours_of_actions_differ() -> None:
    """All of Atari's 18, and six more; further ones come again, darker."""
    count = len(LABEL_COLOURS)
    assert count >= 18
    lab = rgb2lab(np.array([label_colour(each) for each in range(count)])[None] / 255)[0]
    unlike = deltaE_ciede2000(lab[:, None], lab[None]) + 100 * np.eye(count)
    assert unlike.min() > 11
    assert unlike[10:].min() > 16
    assert len({label_colour(each) for each in range(3 * count)}) == 3 * count
    ground = rgb2lab(np.array([[DARK.background]]) / 255)[0]
    assert deltaE_ciede2000(lab, ground).min() > 35


def test_colours_have_the_names_of_what_they_look_like() -> None:
    """Those of a page in words: each nearer to what it is called than to another basic colour."""
    basic = {
        "blue": (60, 150, 230), "green": (80, 190, 70), "pink": (240, 130, 190),
        "yellow": (250, 220, 80), "violet": (150, 110, 230), "orange": (245, 140, 60),
        "teal": (0, 160, 140), "grey": (160, 160, 165), "red": (220, 50, 50),
    }  # fmt: skip
    lab = rgb2lab(np.array([[*basic.values()]]) / 255)[0]
    for index in (0, 1, 2, 3, 4, 5, 6, 7, 8):
        seen = rgb2lab(np.array([[label_colour(index)]]) / 255)[0]
        nearest = [*basic][int(deltaE_ciede2000(seen, lab).argmin())]
        assert nearest == colour_name(index)
    count = len(LABEL_COLOURS)
    assert len({colour_name(each) for each in range(2 * count)}) == 2 * count
    assert colour_name(count) == f"dark {colour_name(0)}"


@pytest.mark.parametrize("width", [57, 73, 96, 112, 140, 208])
@pytest.mark.parametrize("names", [ATARI, ATARI[:7], ATARI[:9], LONG, LONG[:7], list("abcdefg")])
def test_names_over_columns_stay_different_and_within(names, width) -> None:
    size, lines = titles(tuple(names), width, 16)
    assert 11 <= size <= 16
    assert set(lines) == set(names)
    assert len(set(lines.values())) == len(names)
    for both in lines.values():
        assert all(length(line, size, True) <= width for line in both)
    if width >= 96:
        whole = ["".join(both).replace(" ", "") for both in lines.values()]
        assert whole == names


@pytest.mark.parametrize("names", [ATARI, ATARI[:7], ATARI[:9], LONG, LONG[:7]])
def test_nothing_of_a_film_is_cut_off(names) -> None:
    recording = recorded(names)
    episode, columns = recording.numbers(0), MOST_COLUMNS
    frames = frames_of(recording, 0)
    right = frames.layout.left + columns * (frames.layout.column_width + frames.layout.gap)
    assert right - frames.layout.gap <= 1280 - 24
    shown = most_taken([episode], columns)
    counts = episode.distribution.taken(episode.actions).sum(axis=0)
    assert counts[shown].min() >= np.delete(counts, shown).max(initial=0)
    for width in (73, frames.layout.column_width):
        heads = ActionHeads(episode, names, shown, width)
        for index in shown:
            beyond = ink_beyond(heads, 0, index, width)
            assert not beyond
        pairs = Targets(
            [[f"{names[0]} - {names[-1]}"]] * len(episode), np.zeros((len(episode), 1), np.float32)
        )
        assert not ink_beyond(TargetHeads(pairs, width, names), 0, 0, width)


def ink_beyond(heads: Any, step: int, index: int, width: int) -> bool:
    """Whether anything is drawn beside, over or under the room that a head has."""
    canvas = np.full((90, width + 60, 3), DARK.background, np.uint8)
    heads.draw(canvas, step, index, 30, 20, width)
    canvas[17 : 20 + 50, 30 : 30 + width + 1] = DARK.background
    return bool((canvas != DARK.background).any())


def test_side_by_side_shows_what_was_taken_most_and_says_so() -> None:
    recording = recorded(ATARI)
    episode = recording.episode(0)
    lanes = [Lane(name, "", episode, ATARI) for name in ("one", "other")]
    whole = SideBySide("t", "n", lanes)
    for lane in whole._lanes:
        assert lane._shown == most_taken([episode, episode], MOST_COLUMNS)
    seven = recorded(ATARI[:7]).episode(0)
    parts = SideBySide("t", "n", [Lane(name, "", seven, ATARI[:7]) for name in ("one", "other")])
    assert all(lane._shown == list(range(7)) for lane in parts._lanes)
    assert parts.draw(0).shape == (720, 1280, 3)


def test_sums_have_room_whatever_their_size() -> None:
    """Of each form the longest has room, or the next is taken, down to the evidence alone."""
    for numbers, width, form in (
        ((0.25, 1.5), 200, 0),
        ((0.25, 1.5), 112, 1),
        ((-12345.5, 1409464.25), 180, 2),
        ((-12345.5, 1409464.25), 112, 3),
    ):
        fitting = [each for each, written in enumerate(_FORMS) if written.fits(*numbers, width)]
        assert fitting[0] == form
        across = [
            length(text, _FORMS[form].size(*numbers, width)) + 3
            for text, _ in _FORMS[form].parts(*numbers)
        ]
        assert sum(across) <= width
    assert [text for text, _ in _FORMS[1].parts(-0.5, 1.5)] == ["2.00", "− 0.50", "= 1.50"]


def test_names_are_readable_whatever_their_number() -> None:
    """Text on the ground of a film has a contrast of 4.5 at least (WCAG 2.2, 1.4.3)."""

    def luminance(colour: tuple[int, int, int]) -> float:
        share = np.array(colour) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    ground = luminance(DARK.background) + 0.05
    for index in range(200):
        colour = legible(label_colour(index), DARK.background)
        assert (luminance(colour) + 0.05) / ground >= 4.5
    assert legible(label_colour(0), DARK.background) == label_colour(0)
