"""Intervals, correlations and scores of maps, against scipy, scikit-learn and plain loops."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from rlvis.evaluation.baselines import oracle_maps
from rlvis.evaluation.estimates import (
    estimate,
    few_ranks,
    mean,
    partial_correlation,
    partial_sums,
    ranks,
    share,
)
from rlvis.evaluation.map_scores import MapScorer
from rlvis.evaluation.map_tests import sensitivity
from rlvis.evaluation.parts import Parts


def test_ranks_are_those_of_scipy() -> None:
    lot = np.random.default_rng(0)
    values = lot.integers(0, 20, 200).astype(float)
    np.testing.assert_array_equal(ranks(values), stats.rankdata(values))
    few = lot.integers(0, 4, (30, 5)).astype(float)
    np.testing.assert_array_equal(few_ranks(few), stats.rankdata(few, axis=1))


def test_a_partial_correlation_is_that_of_what_is_left_over() -> None:
    lot = np.random.default_rng(1)
    z = lot.normal(size=300)
    x, y = z + lot.normal(size=300), 2 * z + lot.normal(size=300)

    def left_over(values: np.ndarray) -> np.ndarray:
        design = np.stack([np.ones_like(z), z], axis=1)
        return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]

    expected = stats.pearsonr(left_over(x), left_over(y)).statistic
    found = partial_correlation(partial_sums(x, y, z).sum(axis=0))
    assert found == pytest.approx(expected, abs=1e-9)
    alone = partial_correlation(partial_sums(x, y, np.ones(300)).sum(axis=0))
    assert alone == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize("groups", [12, 60])
def test_intervals_hold_the_truth_as_often_as_they_say(groups) -> None:
    lot = np.random.default_rng(groups)
    of = np.repeat(np.arange(groups), 5)
    held = 0
    for _ in range(300):
        values = lot.normal(size=groups)[of] + 0.5 * lot.normal(size=len(of))
        found = mean(values, of)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 300 <= 0.985


def test_frames_of_one_episode_do_not_count_as_many() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=20), 50)
    clustered = mean(values, np.repeat(np.arange(20), 50))
    alone = mean(values, np.arange(1000))
    assert clustered.high - clustered.low > 5 * (alone.high - alone.low)


def test_too_few_groups_have_no_interval_and_certainty_is_never_certain() -> None:
    few = mean(np.arange(10.0), np.repeat(np.arange(5), 2))
    assert not few.sure
    assert few.written() == "4.50 (too few for an interval)"
    never = share(np.zeros(100), np.repeat(np.arange(20), 5))
    assert never.value == 0
    assert never.high == pytest.approx(stats.binomtest(0, 20).proportion_ci(method="wilson").high)
    assert mean(np.array([]), np.array([])).written() == "–"
    assert few.of(few.plain()).plain() == few.plain()


def test_the_ratio_of_sums_is_estimated_at_once() -> None:
    found = estimate(
        lambda sums: sums[..., 0] / sums[..., 1], np.array([[1.0, 2.0]] * 30), np.arange(30)
    )
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def squares(frames: int = 60, seed: int = 0) -> Parts:
    """Frames with two squares each, of random places, sizes and effects that grow with the size."""
    lot = np.random.default_rng(seed)
    images = lot.integers(0, 60, (frames, 30, 40, 3), dtype=np.uint8)
    masks, places, effects = [], [], []
    for frame in range(frames):
        for half in (0, 20):
            side = int(lot.integers(3, 14))
            top, left = int(lot.integers(30 - side)), half + int(lot.integers(20 - side))
            mask = np.zeros((30, 40), bool)
            mask[top : top + side, left : left + side] = True
            masks.append(mask)
            places.append(frame)
            effects.append(side * lot.normal(loc=0.3))
    without = images[places].copy()
    for part, mask in enumerate(masks):
        images[places[part]][mask] = 200
        without[part][mask] = 0
    return Parts(
        images,
        np.arange(frames) // 3,
        ["left", "right"] * frames,
        np.array(places),
        np.array(masks),
        np.array(effects)[:, None],
        without,
        np.array([True, False] * frames),
    )


def test_random_maps_are_within_their_null_and_the_oracle_is_perfect() -> None:
    parts = squares()
    scorer = MapScorer(parts)
    lot = np.random.default_rng(3)
    held = {"causal": 0, "largest_first": 0, "single_deletion": 0}
    for _ in range(40):
        scores = scorer.score(lot.random((60, 30, 40), dtype=np.float32), 0)
        for name in held:
            found = getattr(scores, name)
            held[name] += found.low <= scores.null(name) <= found.high
    assert min(held.values()) >= 36
    best = scorer.score(oracle_maps(parts, 0), 0)
    assert best.causal.value == pytest.approx(1)
    assert best.largest_first.value == best.single_deletion.value == 1
    assert best.null("causal") < 0.3


def test_size_alone_does_not_count_as_agreement() -> None:
    parts = squares()
    size = np.abs(parts.effects[:, 0])
    raw = stats.spearmanr(parts.sizes, size).statistic
    even = MapScorer(parts).score(np.ones((60, 30, 40), np.float32), 0)
    assert raw > 0.3
    assert abs(even.causal.value) < 0.1


def test_where_maps_point_is_measured_as_others_do() -> None:
    parts = squares()
    maps = np.random.default_rng(4).normal(size=(60, 30, 40)).astype(np.float32)
    scores = MapScorer(parts, located=60).score(maps, 0)
    goals = parts.masks[::2].reshape(60, -1)
    heat = maps.reshape(60, -1).clip(min=0)
    auc = [roc_auc_score(goal, each) for goal, each in zip(goals, heat, strict=True)]
    assert scores.auc.value == pytest.approx(np.mean(auc))
    hottest = [goal[each.argmax()] for goal, each in zip(goals, heat, strict=True)]
    assert scores.pointing.value == pytest.approx(np.mean(hottest))
    mass = [each[goal].sum() / each.sum() for goal, each in zip(goals, heat, strict=True)]
    assert scores.mass.value == pytest.approx(np.mean(mass), abs=1e-6)


def test_empty_maps_are_counted_not_scored() -> None:
    parts = squares()
    maps = oracle_maps(parts, 0)
    maps[::2] = 0
    scores = MapScorer(parts).score(maps, 0)
    assert scores.empty.value == 0.5
    assert scores.causal.value == pytest.approx(1)
    assert scores.causal.count == 60
    nothing = MapScorer(parts).score(np.zeros_like(maps), 0)
    assert nothing.empty.value == 1
    assert not nothing.causal.sure


def test_maps_of_two_questions_are_as_different_as_their_correlation() -> None:
    lot = np.random.default_rng(5)
    one, other = lot.normal(size=(2, 30, 8, 9))
    expected = [
        1 - abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(one, other, strict=True)
    ]
    assert sensitivity([one, other], np.arange(30)).value == pytest.approx(np.mean(expected))
    assert sensitivity([one, 3 * one], np.arange(30)).value == pytest.approx(0, abs=1e-9)
