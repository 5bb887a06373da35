"""Moments: the ones that were put there are found; what if, and two policies compared."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from rlvis import InputError, Recording, record
from rlvis.errors import Notice
from rlvis.rollouts.alternatives import what_if
from rlvis.rollouts.comparison import compare
from rlvis.rollouts.intervals import share_interval
from rlvis.rollouts.moments import KINDS, find_moments, strength_of
from rlvis.rollouts.signals import signals_of
from tests.conftest import seeking_policy

ENVIRONMENT = "tests.worlds:Corridor-v0"


@pytest.fixture(scope="module")
def recording() -> Recording:
    policy = seeking_policy(shift=4)  # it goes past the middle and back, and often misses it
    return record(policy, ENVIRONMENT, episodes=10, methods=["grad-cam"], seed=1)


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in ("stuck", "regret")])
def test_the_first_moment_of_a_kind_is_the_strongest(recording, kind) -> None:
    first = find_moments(recording, 1, kinds=[kind])[0]
    strengths = [strength_of(kind, signals_of(episode)) for episode in recording]
    assert strengths[first.episode][first.step] == max(each.max() for each in strengths)
    assert first.reason
    assert first.kind == kind


def test_where_it_gets_stuck_is_found() -> None:
    away = seeking_policy(gain=-2.0)  # to the end of the corridor, and against it
    recording = record(away, ENVIRONMENT, episodes=3, methods="none", seed=2, deterministic=True)
    found = find_moments(recording, 3, kinds=["stuck"])
    for each in found:
        codes = [image.tobytes() for image in recording.episode(each.episode).observations]
        later = codes[each.step + 1 :]
        assert codes[each.step] not in codes[: each.step]
        assert len(later) == each.strength >= 8
        assert set(later) <= set(codes[: each.step + 1])


def test_moments_are_of_all_kinds_and_apart(recording) -> None:
    found = find_moments(recording, 8, apart=2)
    assert len(found) == 8
    assert len({each.kind for each in found}) >= 3
    places = [(each.episode, each.step) for each in found]
    for place, (episode, step) in enumerate(places):
        for other, its in places[place + 1 :]:
            assert other != episode or abs(its - step) > 2
    assert len(found.table()["reason"]) == 8


def test_moments_of_chosen_episodes(recording) -> None:
    assert {each.episode for each in find_moments(recording, 3, episodes=[2, 5])} <= {2, 5}


def test_pictures_that_differ_go_before_more_of_the_same(recording) -> None:
    """With one kind, the second moment is the least alike of the strongest, not the next one."""
    kind = "importance"
    first, second = find_moments(recording, 2, kinds=[kind], apart=0)
    values = {
        (number, step): strength
        for number, episode in enumerate(recording)
        for step, strength in enumerate(strength_of(kind, signals_of(episode)))
    }
    strongest = sorted(values, key=lambda place: -values[place])[:9]
    seen = {place: recording.episode(place[0]).observations[place[1]] for place in strongest}
    start = seen[first.episode, first.step].astype(float)
    far = {place: np.abs(image - start).mean() for place, image in seen.items()}
    assert far[second.episode, second.step] == max(far.values())
    assert strongest.index((second.episode, second.step)) > 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"kinds": ["drops"]}, "did you mean 'drop'"),
        ({"kinds": []}, "no kind of moment"),
        ({"most": 0}, "moments is 0"),
        ({"episodes": []}, "no episode"),
        ({"episodes": [99]}, "no episode 99"),
    ],
)
def test_moments_that_are_none(recording, choice, message) -> None:
    with pytest.raises(InputError, match=message):
        find_moments(recording, **choice)


def test_a_moment_looks_like_itself(recording, tmp_path) -> None:
    found = find_moments(recording, 3)
    found.save(tmp_path / "m.png")
    assert found[0].reason.split(":")[0] in found.html()


def test_an_action_can_be_taken_that_was_not(recording) -> None:
    policy = seeking_policy(shift=4)
    episode = recording.episode(3)
    step = len(episode) // 2
    found = what_if(recording, policy, 3, step, futures=4)
    assert found.brought_by == "replay"
    assert [each.taken for each in found.futures] == [True, False, False]
    assert {each.action for each in found.futures} == set(policy.labels)
    for futures in found.futures:
        assert len(futures.episodes) == 4
        forced = policy.labels.index(futures.action)
        for future in futures.episodes:
            assert future.actions[0] == forced
            np.testing.assert_array_equal(future.observations[0], episode.observations[step])
            world = gymnasium.make(ENVIRONMENT)
            world.reset(seed=episode.seed)
            for action in episode.actions[:step]:
                world.step(action)
            for place, action in enumerate(future.actions):
                observation, reward, *_ = world.step(action)
                assert reward == future.rewards[place]
                if place + 1 < len(future):
                    np.testing.assert_array_equal(observation, future.observations[place + 1])


def test_futures_share_their_random_numbers_and_repeat(recording) -> None:
    policy = seeking_policy()
    one, again = (what_if(recording, policy, 1, 1, ["left"], futures=3) for _ in range(2))
    for first, second in zip(one.futures, again.futures, strict=True):
        for left, right in zip(first.episodes, second.episodes, strict=True):
            np.testing.assert_array_equal(left.actions, right.actions)
    sampled = {tuple(each.actions) for each in what_if(recording, policy, 1, 0).futures[0].episodes}
    assert len(sampled) > 1
    greedy = what_if(recording, policy, 1, 0, deterministic=True)
    assert [len(each.episodes) for each in greedy.futures] == [1, 1, 1]


def test_a_state_brings_the_environment_there() -> None:
    policy = seeking_policy()
    recording = record(policy, "tests.worlds:Recalled-v0", episodes=2, methods=["grad-cam"])
    assert recording.states(0) is not None
    found = what_if(recording, policy, 1, 1, futures=2)
    assert found.brought_by == "state"
    for futures in found.futures:
        np.testing.assert_array_equal(
            futures.episodes[0].observations[0], recording.episode(1).observations[1]
        )


def test_chance_that_no_seed_reaches_is_said() -> None:
    policy = seeking_policy()
    recording = record(policy, "tests.worlds:Dice-v0", episodes=6, methods="none", seed=5)
    longest = max(range(6), key=lambda number: len(recording.numbers(number)))
    with pytest.raises(InputError, match=r"cannot be brought to step .* get_state\(\)"):
        what_if(recording, policy, longest, len(recording.numbers(longest)) - 1)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"episode": 77, "step": 0}, "no episode 77"),
        ({"episode": 0, "step": 900}, "no step 900 in episode 0"),
        ({"episode": 0, "step": -1}, "no step -1"),
        ({"episode": 0, "step": 0, "actions": ["lft"]}, "did you mean 'left'"),
        ({"episode": 0, "step": 0, "futures": 0}, "futures is 0"),
    ],
)
def test_moments_that_are_not_there(recording, where, message) -> None:
    with pytest.raises(InputError, match=message):
        what_if(recording, seeking_policy(), **where)


def test_continuous_actions_have_no_other_action() -> None:
    from rlvis import Policy
    from rlvis.models.distributions import DiagonalGaussian
    from tests.conftest import PooledPolicy, randomise

    gaussian = DiagonalGaussian((0.0,) * 3, (-1.0,) * 3, (1.0,) * 3)
    labels = ("left", "forward", "right")
    policy = Policy(randomise(PooledPolicy()).eval(), labels, distribution=gaussian)
    header = replace(
        record(seeking_policy(), ENVIRONMENT, methods=["grad-cam"]).header, distribution=gaussian
    )
    recording = record(seeking_policy(), ENVIRONMENT, methods=["grad-cam"])
    recording.header = header
    with pytest.raises(InputError, match="one of several actions"):
        what_if(recording, policy, 0, 0)


def test_what_came_of_it_is_drawn(recording, tmp_path) -> None:
    found = what_if(recording, seeking_policy(), 2, 1, ["left"], futures=2)
    found.save(tmp_path / "w.png")
    found.save(tmp_path / "w.mp4")
    assert found.futures[0].summary in found.html()
    assert len(found.table()["outcome"]) == sum(len(each.episodes) for each in found.futures)


def test_intervals_are_those_of_wilson() -> None:
    from scipy.stats import binomtest

    for count, of in ((0, 5), (3, 8), (8, 8), (50, 200)):
        expected = binomtest(count, of).proportion_ci(method="wilson")
        assert share_interval(count, of) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_another_policy_on_the_same_frames(recording) -> None:
    other = seeking_policy(gain=0.3, shift=6)
    found = compare(recording, other, policy=seeking_policy(shift=4))
    agreed, steps = 0, 0
    for pair, episode in zip(found, recording, strict=True):
        theirs = other.scores(episode.observations)
        ours = episode.probabilities.astype(float)
        shares = theirs.logits.double().softmax(1).numpy()
        np.testing.assert_allclose(
            pair.divergence, jensenshannon(ours, shares, base=2, axis=1) ** 2, atol=1e-5
        )
        same = ours.argmax(1) == shares.argmax(1)
        parting = None if same.all() else int(np.flatnonzero(~same)[0])
        assert pair.parting == parting
        agreed, steps = agreed + same.sum(), steps + len(same)
    assert found.agreement == pytest.approx(agreed / steps)
    assert len(found.table()["episode"]) == 10


def test_a_policy_agrees_with_itself(recording) -> None:
    found = compare(recording, seeking_policy(shift=4))
    assert found.agreement == 1
    assert all(pair.parting is None for pair in found)
    assert np.allclose([pair.divergence.max() for pair in found], 0, atol=1e-6)


def test_two_recordings_of_the_same_seeds(recording) -> None:
    other = record(
        seeking_policy(gain=0.3, shift=6), ENVIRONMENT, episodes=6, methods=["saliency"], seed=4
    )
    found = compare(recording, other)
    assert [pair.first.seed for pair in found] == [4, 5, 6, 7, 8, 9]
    for pair in found:
        assert pair.first.seed == pair.second.seed
        alike = pair.first.observations[: pair.shared] == pair.second.observations[: pair.shared]
        assert alike.all()
    assert "outcome 2" in found.table()


def test_both_are_drawn_beside_each_other(recording, tmp_path) -> None:
    found = compare(recording, seeking_policy(gain=0.3, shift=6), policy=seeking_policy(shift=4))
    found.save(tmp_path / "c.png", most=2)
    found.save(tmp_path / "c.mp4", most=1)
    found.save(tmp_path / "c.csv")
    moments = found.moments(4)
    assert len({pair.number for pair, _ in moments}) == 4
    parted = [pair for pair in found if pair.parting is not None]
    widest = max(pair.divergence[~pair.same_preference].max() for pair in parted)
    assert moments[0][0].divergence[moments[0][1]] == widest


def test_policies_that_cannot_be_compared(recording) -> None:
    from rlvis import Policy
    from tests.conftest import PooledPolicy, randomise

    labels = ("left", "forward", "right")
    wide = Policy(randomise(PooledPolicy()).eval(), labels, observation_shape=(60, 80, 3))
    with pytest.raises(InputError, match=r"sees images of \(60, 80, 3\)"):
        compare(recording, wide)
    far = record(seeking_policy(), ENVIRONMENT, methods=["saliency"], seed=999)
    with pytest.raises(InputError, match="share no seed"):
        compare(recording, far)
    elsewhere = record(seeking_policy(), "tests.worlds:Dice-v0", methods=["saliency"], seed=1)
    with pytest.raises(InputError, match="one recording is of"):
        compare(recording, elsewhere)


def test_the_same_actions_in_another_order_are_refused(recording) -> None:
    turned = seeking_policy(shift=4).with_labels(("right", "forward", "left"))
    for ask in (
        lambda: compare(recording, turned),
        lambda: what_if(recording, turned, 0, 0),
    ):
        with pytest.raises(InputError, match="in the same order"):
            ask()
    renamed = seeking_policy(shift=4).with_labels(("l", "f", "r"))
    with pytest.warns(Notice, match="taken for the same"):
        assert compare(recording, renamed).agreement == 1
