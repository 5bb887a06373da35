"""Signals of an episode against SciPy and by hand; the table of the episodes that they make."""

import json

import numpy as np
import pytest
from scipy import special, stats

from rlvis import InputError, record
from rlvis.models.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Greedy,
    MultiCategorical,
)
from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.episode_table import WORST_FIRST, EpisodeTable
from rlvis.rollouts.signals import runs_without_news, signals_of
from tests.conftest import pooled_policy

ENVIRONMENT = "tests.worlds:Corridor-v0"


def softmax(logits: np.ndarray) -> np.ndarray:
    return special.softmax(logits.astype(np.float64), axis=1)


def an_episode(distribution, logits, actions, *, values=None, rewards=None, terminated=True):
    logits = np.asarray(logits, np.float32)
    steps = len(logits)
    return EpisodeNumbers(
        seed=0,
        actions=np.asarray(actions),
        rewards=np.zeros(steps, np.float32) if rewards is None else np.float32(rewards),
        logits=logits,
        values=np.full(steps, np.nan, np.float32) if values is None else np.float32(values),
        info={},
        terminated=terminated,
        truncated=not terminated,
        success=None,
        distribution=distribution,
    )


def test_one_of_several_actions() -> None:
    logits = np.random.default_rng(0).normal(size=(40, 4)) * 2
    actions = np.random.default_rng(1).integers(0, 4, 40)
    found = signals_of(an_episode(Categorical(4), logits, actions))
    shares = softmax(logits.astype(np.float32))
    ordered = np.sort(shares, axis=1)
    np.testing.assert_allclose(found.margin, ordered[:, -1] - ordered[:, -2], atol=1e-6)
    np.testing.assert_allclose(found.entropy, stats.entropy(shares, axis=1), atol=1e-5)
    np.testing.assert_allclose(found.surprise, -np.log(shares[range(40), actions]), rtol=1e-5)
    np.testing.assert_array_equal(found.greedy, shares.argmax(1) == actions)
    np.testing.assert_allclose(found.importance, np.ptp(logits, axis=1), rtol=1e-6)
    assert found.flip[0] == 0
    for step in range(1, 40):
        old, new = shares[step - 1].argmax(), shares[step].argmax()
        gained = shares[step] - shares[step - 1]
        expected = 0 if old == new else (gained[new] - gained[old]) / 2
        assert found.flip[step] == pytest.approx(expected, abs=1e-6)


def test_the_drop_of_the_value_is_what_was_promised_and_did_not_come() -> None:
    episode = an_episode(
        Categorical(2), np.zeros((3, 2)), [0, 0, 0], values=[0.5, 0.9, 0.8], rewards=[0, 0, 0]
    )
    np.testing.assert_allclose(signals_of(episode).drop, [-0.4, 0.1, 0.8], atol=1e-6)
    won = an_episode(Categorical(2), np.zeros((2, 2)), [0, 0], values=[0.9, 0.95], rewards=[0, 1])
    np.testing.assert_allclose(signals_of(won).drop, [-0.05, -0.05], atol=1e-6)


def test_what_would_have_come_after_a_limit_nobody_knows() -> None:
    episode = an_episode(
        Categorical(2), np.zeros((2, 2)), [0, 0], values=[0.5, 0.5], terminated=False
    )
    assert np.isnan(signals_of(episode).drop[-1])
    assert signals_of(episode).drop[0] == 0


def test_several_choices_bits_values_and_continuous_actions() -> None:
    rng = np.random.default_rng(2)
    several = an_episode(
        MultiCategorical((3, 2)), rng.normal(size=(9, 5)), rng.integers(0, 2, (9, 2))
    )
    one, other = softmax(several.logits[:, :3]), softmax(several.logits[:, 3:])
    found = signals_of(several)
    expected = stats.entropy(one, axis=1) + stats.entropy(other, axis=1)
    np.testing.assert_allclose(found.entropy, expected, atol=1e-5)
    margins = [np.diff(np.sort(each, axis=1)[:, -2:], axis=1)[:, 0] for each in (one, other)]
    np.testing.assert_allclose(found.margin, np.min(margins, axis=0), atol=1e-5)
    steps, (first, second) = range(9), several.actions.T
    surprise = -np.log(one[steps, first]) - np.log(other[steps, second])
    np.testing.assert_allclose(found.surprise, surprise, rtol=1e-4)
    greedy = (one.argmax(1) == first) & (other.argmax(1) == second)
    np.testing.assert_array_equal(found.greedy, greedy)

    bits = an_episode(Bernoulli(2), rng.normal(size=(6, 2)), rng.integers(0, 2, (6, 2)))
    shares = 1 / (1 + np.exp(-bits.logits.astype(float)))
    expected = sum(stats.entropy([shares[:, k], 1 - shares[:, k]]) for k in range(2))
    np.testing.assert_allclose(signals_of(bits).entropy, expected, atol=1e-5)

    values = an_episode(Greedy(3), [[1, 3, 2.5], [4, 0, 1]], [1, 0])
    found = signals_of(values)
    np.testing.assert_allclose(found.margin, [0.5, 3])
    np.testing.assert_allclose(found.importance, [2, 4])
    assert np.isnan(found.entropy).all()
    assert found.greedy.all()

    gaussian = DiagonalGaussian((0.0,), (-1.0,), (1.0,))
    found = signals_of(an_episode(gaussian, [[0.1], [0.2]], np.zeros((2, 1), np.float32)))
    for each in (found.margin, found.entropy, found.surprise, found.flip, found.importance):
        assert np.isnan(each).all()


def test_impossible_actions_do_not_count() -> None:
    masked = an_episode(Categorical(3), [[1, -np.inf, 0], [-np.inf, 2, -np.inf]], [0, 1])
    found = signals_of(masked)
    assert found.margin[1] == 1
    assert found.entropy[1] == 0
    assert found.importance[0] == 1
    assert np.isfinite(found.flip).all()
    unlikely = an_episode(Greedy(2), [[1, -np.inf], [-np.inf, 1]], [0, 1])
    assert np.isfinite(signals_of(unlikely).flip).all()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([1, 2, 3], 0), ([1, 1, 1, 1], 3), ([1, 2, 1, 2, 3], 2), ([1, 2, 3, 1, 2, 3, 1], 4), ([7], 0)],
)
def test_stuck_is_without_news(codes, expected) -> None:
    assert runs_without_news(np.array(codes)).max() == expected


@pytest.fixture(scope="module")
def table() -> EpisodeTable:
    recording = record(pooled_policy(), ENVIRONMENT, episodes=12, methods=["saliency"], seed=4)
    return EpisodeTable.of(recording)


def test_a_row_is_what_happened(table) -> None:
    recording = table.recording
    assert table.episodes == list(range(12))
    for number, episode in enumerate(recording):
        row = {name: column[number] for name, column in table.columns.items()}
        shares = np.sort(episode.probabilities, axis=1)
        margins = shares[:, -1] - shares[:, -2]
        assert row["seed"] == 4 + number
        assert row["outcome"] == episode.outcome
        assert row["steps"] == len(episode)
        assert row["return"] == episode.rewards.sum()
        assert row["margin"] == pytest.approx(margins.min(), abs=1e-6)
        assert row["margin_step"] == margins.argmin()
        seen, longest, run = set(), 0, 0
        for each in episode.observations:
            run = run + 1 if each.tobytes() in seen else 0
            seen.add(each.tobytes())
            longest = max(longest, run)
        assert row["stuck"] == longest


@pytest.mark.parametrize(
    "column", [each for each in WORST_FIRST if each not in ("outcome", "regret")]
)
def test_what_one_looks_for_comes_first(table, column) -> None:
    values = table.sort(column).columns[column]
    known = values[~np.isnan(values)]
    np.testing.assert_array_equal(known * WORST_FIRST[column], sorted(known * WORST_FIRST[column]))
    backwards = table.sort(column, reverse=True).columns[column]
    np.testing.assert_array_equal(np.sort(backwards), np.sort(values))
    assert backwards[0] == np.nanmax(values * WORST_FIRST[column]) * WORST_FIRST[column]


def test_only_some_episodes(table) -> None:
    failures, successes = table.only("failures"), table.only("successes")
    assert len(failures) + len(successes) == 12
    assert failures.columns["success"].sum() == 0
    assert set(table.only("timeouts").episodes) <= set(failures.episodes)
    short = table.only("steps < 5").only("successes")
    assert all(short.columns["steps"] < 5)
    assert "steps < 5" in short.summary
    assert len(table.head(3)) == 3


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("falures", "cannot read the filter"),
        ("marginn < 3", "did you mean 'margin'"),
        ("outcome == 3", "no column 'outcome'"),
        ("margin < x", "cannot read the filter"),
    ],
)
def test_filters_that_are_none(table, which, message) -> None:
    with pytest.raises(InputError, match=message):
        table.only(which)


def test_columns_that_are_none(table) -> None:
    with pytest.raises(InputError, match="did you mean 'margin'"):
        table.sort("margn")


def test_the_table_is_saved(table, tmp_path) -> None:
    rows = json.loads(table.save(tmp_path / "t.json").read_text())
    assert [row["episode"] for row in rows] == table.episodes
    assert rows[3]["outcome"] == table.columns["outcome"][3]
    assert all(row["margin"] is None or row["margin"] >= 0 for row in rows)
    frame = table.to_dataframe()
    assert list(frame.columns) == list(table.columns)
    lines = table.text().splitlines()
    assert len(lines) == 13
    assert len({len(line) for line in lines}) <= 2
    table.save(tmp_path / "t.png")
    assert "<html" in table.html()


def test_nobody_says_what_is_a_failure(policy) -> None:
    recording = record(policy, "tests.worlds:Unjudged-v0", episodes=2, methods=["saliency"])
    with pytest.raises(InputError, match="nobody says which of these episodes ended well"):
        EpisodeTable.of(recording).only("failures")
