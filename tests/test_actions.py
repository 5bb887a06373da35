"""Actions that are continuous or several at once: from SB3's file to the film, as they happened."""

import json
from functools import partial
from itertools import product

import av
import gymnasium
import numpy as np
import pytest
import torch
import xarray
from gymnasium import spaces
from PIL import Image
from stable_baselines3 import A2C, PPO

from rlvis import InputError, Policy, Recording, explain, record
from rlvis.cli import main
from rlvis.display.theme import DARK, label_colour
from rlvis.models.distributions import Categorical, DiagonalGaussian, MultiCategorical, from_record
from rlvis.models.targets import log_prob
from rlvis.rollouts.film.writing import frames_of
from rlvis.rollouts.header import Header
from rlvis.rollouts.spaces import distribution_over
from rlvis_agents import TrainConfig, evaluate, load_policy, train
from tests.complaints import complaint

KINDS = ("Steering", "Gears")
DRAWS = 4000


def world(kind: str) -> str:
    return f"tests.worlds:{kind}-v0"


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    """PPO and A2C after a few steps in each world, their heads made decided enough to see."""
    folder = tmp_path_factory.mktemp("zips")
    for kind, algorithm in product(KINDS, (PPO, A2C)):
        options = {"batch_size": 8, "n_epochs": 1} if algorithm is PPO else {}
        model = algorithm("CnnPolicy", world(kind), n_steps=8, seed=0, **options)
        model.learn(16)
        with torch.no_grad():
            head = model.policy.action_net
            head.weight.normal_(0, 0.4, generator=torch.Generator().manual_seed(1))
            if kind == "Steering":
                model.policy.log_std.copy_(torch.tensor([-1.0, 0.3]))
        model.save(folder / f"{kind}-{algorithm.__name__}.zip")
    return folder


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def policy(zips, kind) -> Policy:
    return load_policy(zips / f"{kind}-PPO.zip")


@pytest.fixture(scope="module")
def recording(policy, kind) -> Recording:
    return record(policy, world(kind), episodes=2, methods=["grad-cam", "saliency"], seed=3)


@pytest.mark.parametrize("algorithm", [PPO, A2C])
@pytest.mark.parametrize("trust", [False, True])
def test_scores_and_modes_are_those_of_sb3(zips, kind, algorithm, trust) -> None:
    path = zips / f"{kind}-{algorithm.__name__}.zip"
    policy, theirs = load_policy(path, trust=trust), algorithm.load(path, device="cpu").policy
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 48, 3), dtype=np.uint8)
    seen = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    scores = policy.scores(images)
    with torch.no_grad():
        expected = theirs.get_distribution(seen).distribution
        torch.testing.assert_close(scores.value, theirs.predict_values(seen).squeeze(1))
    if kind == "Steering":
        assert isinstance(policy.distribution, DiagonalGaussian)
        torch.testing.assert_close(scores.logits, expected.mean)
        deviation = torch.tensor(policy.distribution.log_std).exp()
        torch.testing.assert_close(deviation.expand(5, -1), expected.stddev)
    else:
        probabilities = torch.cat([each.probs for each in expected], dim=1)
        torch.testing.assert_close(policy.distribution.probabilities(scores.logits), probabilities)
    modes = [policy.act(image, deterministic=True).action for image in images]
    np.testing.assert_allclose(
        modes, theirs.predict(seen.numpy(), deterministic=True)[0], 1e-5, 1e-5
    )


def drawn(distribution, scores: list[float]) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    return np.stack(distribution.draw(torch.tensor([scores] * DRAWS), [generator] * DRAWS))


def test_actions_are_those_that_multinomial_draws_one_by_one() -> None:
    scores = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    scores[:, 1] = -torch.inf
    one_by_one, together = ([torch.Generator().manual_seed(i) for i in range(200)] for _ in "ab")
    expected = [
        [
            int(each.softmax(dim=0).multinomial(1, generator=lot)),
            3 + int(rest.softmax(dim=0).multinomial(1, generator=lot)),
        ]
        for each, rest, lot in zip(scores[:, :3], scores[:, 3:], one_by_one, strict=True)
    ]
    found = MultiCategorical((3, 2), (0, 3)).draw(scores, together)
    np.testing.assert_array_equal(np.stack(found), expected)


def test_choices_are_drawn_independently_by_their_probabilities() -> None:
    distribution = MultiCategorical((3, 2))
    scores = [1.0, 0.0, -1.0, 0.5, -0.5]
    chances = distribution.probabilities(torch.tensor([scores]))[0].numpy()
    np.testing.assert_allclose([chances[:3].sum(), chances[3:].sum()], 1, rtol=1e-6)
    actions = drawn(distribution, scores)
    for first, second in product(range(3), range(2)):
        expected = chances[first] * chances[3 + second]
        share = (actions == (first, second)).all(axis=1).mean()
        assert abs(share - expected) < 4 * np.sqrt(expected / DRAWS)
    np.testing.assert_allclose(distribution.taken(actions)[:, :3].argmax(1), actions[:, 0])
    np.testing.assert_allclose(distribution.taken(actions)[:, 3:].argmax(1), actions[:, 1])
    assert distribution.taken(actions).sum() == 2 * DRAWS


def test_continuous_actions_are_normal_and_clipped_to_the_space() -> None:
    log_std = np.array([-1.0, 0.5])
    free = DiagonalGaussian.within(log_std, np.full(2, -np.inf), np.full(2, np.inf))
    values = drawn(free, [2.0, -1.0])
    errors = np.exp(log_std) / np.sqrt(DRAWS)
    assert (abs(values.mean(axis=0) - [2, -1]) < 4 * errors).all()
    assert (abs(values.std(axis=0) - np.exp(log_std)) < 4 * errors).all()
    assert abs(np.corrcoef(values.T)[0, 1]) < 4 / np.sqrt(DRAWS)
    clipped = drawn(DiagonalGaussian.within(log_std, np.array([-1, -1]), np.ones(2)), [2.0, -1.0])
    np.testing.assert_array_equal(clipped, values.clip(-1, 1))


def test_the_seed_makes_the_actions(policy, kind) -> None:
    def actions(seed: int) -> np.ndarray:
        recorded = record(policy, world(kind), episodes=3, methods=["saliency"], seed=seed)
        return np.concatenate([episode.actions for episode in recorded])

    first, other = actions(0), actions(1)
    np.testing.assert_array_equal(first, actions(0))
    assert first.shape != other.shape or (first != other).any()


def test_a_recording_is_what_happened(policy, kind, recording) -> None:
    for number, episode in enumerate(recording):
        played = gymnasium.make(world(kind))
        observation, _ = played.reset(seed=3 + number)
        assert episode.actions.shape == (len(episode), 2)
        for step, action in enumerate(episode.actions):
            np.testing.assert_array_equal(episode.observations[step], observation)
            observation, reward, *_ = played.step(action)
            assert episode.rewards[step] == np.float32(reward)
        scores = policy.scores(episode.observations)
        np.testing.assert_allclose(episode.logits, scores.logits, rtol=1e-4, atol=1e-5)
        assert recording.heatmaps(number, "saliency").shape[1] == len(policy.labels)


def test_xarray_opens_it_with_its_dimensions(policy, kind, tmp_path) -> None:
    made = record(policy, world(kind), methods=["saliency"], out=tmp_path / "r.zarr")
    assert Recording.open(tmp_path / "r.zarr").header == made.header
    assert made.header.distribution == policy.distribution
    tree = xarray.open_datatree(tmp_path / "r.zarr", engine="zarr", consolidated=False)
    episode = tree["episode_0000"]
    numbers, columns = episode["numbers"], episode.attrs["numbers"]
    for name, expected in (
        ("action_taken", made.episode(0).actions),
        ("logit", made.episode(0).logits),
    ):
        first, shape, kind_of_number = columns[name]
        found = numbers[:, first : first + shape[0]].astype(kind_of_number)
        np.testing.assert_array_equal(found, expected)
    if kind == "Steering":
        assert made.header.actions == ["direction", "speed"]
        assert np.isnan(made.numbers(0).probabilities).all()
    else:
        assert made.header.actions == ["a0=0", "a0=1", "a0=2", "a1=0", "a1=1"]
        np.testing.assert_allclose(made.numbers(0).probabilities.sum(axis=1), 2, rtol=1e-5)


def test_a_recording_of_before_is_of_discrete_actions(zips, tmp_path) -> None:
    policy = load_policy(zips / "Gears-PPO.zip")
    record(policy, world("Gears"), methods=["saliency"], out=tmp_path / "r.zarr")
    index = tmp_path / "r.zarr" / "zarr.json"
    content = json.loads(index.read_text())
    del content["attributes"]["distribution"]
    index.write_text(json.dumps(content))
    assert Recording.open(tmp_path / "r.zarr").header.distribution == Categorical(5)


@pytest.mark.parametrize(
    "distribution",
    [
        Categorical(3),
        MultiCategorical((3, 2)),
        DiagonalGaussian.within(np.array([0.5]), np.array([-np.inf]), np.array([2.0])),
    ],
    ids=str,
)
def test_distributions_survive_json(distribution) -> None:
    written = json.dumps(distribution.record(), allow_nan=False)
    assert from_record(json.loads(written)) == distribution


def test_the_film_marks_what_was_taken(kind, recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    count = len(recording.header.actions)
    layout = frames.layout
    for step, frame in enumerate(frames.draw(step).copy() for step in range(len(episode))):
        for index in range(count):
            left, y = layout.place(0, index)
            start = 384 + index * (layout.column_width + 14)
            row = frame[94, start : start + layout.column_width]
            length = (row == label_colour(index)).all(axis=1).sum()
            if kind == "Steering":
                means, taken = episode.logits[:, index], episode.actions[:, index]
                half = layout.column_width / 2 - 2
                reach = max(abs(means).max(), abs(taken).max())
                assert abs(length - half * abs(means[step]) / reach) <= 4
                above = frame[89, start : start + layout.column_width]
                mark = np.flatnonzero((above == DARK.text).all(axis=1)).mean()
                expected = layout.column_width / 2 + half * taken[step] / reach
                assert abs(mark - expected) <= 2
            else:
                share = episode.probabilities[step, index]
                assert abs(length - layout.column_width * share) <= 1
                marked = tuple(frame[y - 2, left + 20]) == label_colour(index)
                chosen = episode.actions[step][0 if index < 3 else 1]
                assert marked == (chosen == (index if index < 3 else index - 3))


def test_the_strip_shows_every_step(kind, recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    frame = frames.draw(len(episode) - 1)
    count = len(recording.header.actions)
    box = frames.layout.timeline
    steps = box.x + np.round((np.arange(len(episode)) + 0.3) * box.width / len(episode))
    strip = frame[box.y + 24 : box.y + box.height, steps.astype(int)]
    shown = np.stack([(strip == label_colour(index)).all(axis=2) for index in range(count)])
    assert len(episode) >= 3
    if kind == "Steering":
        rows = (shown * np.arange(len(strip))[:, None]).sum(axis=1) / shown.sum(axis=1)
        for row, means in zip(rows, episode.logits.T, strict=True):
            assert (np.diff(row[np.argsort(-means)]) >= 0).all()
    else:
        areas = shown.sum(axis=1).T - 10 * episode.distribution.taken(episode.actions)
        for factor in (slice(0, 3), slice(3, 5)):
            shares = areas[:, factor] / areas[:, factor].sum(axis=1, keepdims=True)
            np.testing.assert_allclose(shares, episode.probabilities[:, factor], atol=0.06)


def test_one_image_is_explained_for_them_too(zips, kind, tmp_path, capsys) -> None:
    path = zips / f"{kind}-PPO.zip"
    policy = load_policy(path)
    picture = np.random.default_rng(0).integers(0, 256, policy.observation_shape, np.uint8)
    why = explain(policy, picture, "grad-cam")
    probabilities = why.probabilities[0]
    if kind == "Steering":
        assert np.isnan(probabilities).all()
    else:
        assert isinstance(policy.distribution, MultiCategorical)
        sums = [probabilities[factor].sum() for factor in policy.distribution.factors]
        np.testing.assert_allclose(sums, 1, rtol=1e-5)
    with pytest.raises(InputError, match="sarfa is about one choice among all labels"):
        explain(policy, picture, "sarfa", 0)
    Image.fromarray(picture).save(tmp_path / "x.png")
    main(
        ["explain", str(tmp_path / "x.png"), "--model", str(path), "--out", str(tmp_path / "y.png")]
    )
    assert (tmp_path / "y.png").exists()


def test_the_command_makes_recording_and_film(zips, kind, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(zips / f"{kind}-A2C.zip")
    main(["record", "--policy", path, "--env", world(kind), "--episodes", "1", "--max-steps", "4"])
    recorded = Recording.open(next(tmp_path.glob("*.zarr")))
    with av.open(str(next(tmp_path.glob("*.mp4")))) as film:
        assert sum(1 for _ in film.decode(video=0)) == recorded.steps() + 10


def test_evaluation_plays_what_is_recorded(policy, recording, kind) -> None:
    played = evaluate(policy, world(kind), 2, seed=3)
    episodes = list(recording)
    assert played.mean_length == np.mean([len(each) for each in episodes])
    assert played.mean_return == pytest.approx(np.mean([each.total_reward for each in episodes]))
    actions = np.concatenate([each.actions for each in episodes])
    labels = recording.header.actions
    if kind == "Steering":
        assert not played.action_shares
        expected = dict(zip(labels, actions.mean(axis=0), strict=True))
        assert played.action_means == pytest.approx(expected, rel=1e-5)
        assert f"mean {labels[0]} " in str(played)
    else:
        assert list(played.action_shares) == labels
        assert played.action_shares[labels[0]] == np.mean(actions[:, 0] == 0)


@pytest.mark.parametrize(
    "space",
    [
        spaces.MultiBinary((2, 2)),
        spaces.MultiDiscrete(np.full((2, 2), 2)),
        spaces.Tuple([spaces.Discrete(2)]),
        spaces.Dict(turn=spaces.Discrete(2)),
    ],
    ids=lambda space: type(space).__name__,
)
def test_other_spaces_are_refused(space) -> None:
    with pytest.raises(InputError, match=r"not a Box nor Discrete, MultiDiscrete or") as caught:
        distribution_over(space)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_said(policy, kind, tmp_path) -> None:
    other = world(next(each for each in KINDS if each != kind))
    with pytest.raises(InputError, match=r"(2 continuous|3×2) actions, but .* has (2 cont|3×2)"):
        record(policy, other, methods=["saliency"])
    with pytest.raises(InputError, match="training works with Discrete actions only"):
        train(TrainConfig(env=world(kind), out=tmp_path / "run"))
    image = np.zeros((40, 48, 3), np.uint8)
    for target in ("entropy", log_prob(0)):
        said = complaint(partial(explain, policy, image, "saliency", target))
        assert ("made of probabilities, and the scores are means" in said) == (kind == "Steering")
    assert "one choice among all labels" in complaint(
        lambda: explain(policy, image, "saliency", "margin")
    )
    with pytest.raises(InputError, match="3 labels, but 2×2 actions have 4 scores"):
        Policy(torch.nn.Identity(), ["a", "b", "c"], distribution=MultiCategorical((2, 2)))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3, start=7),
        spaces.Discrete(3, start=-4),
        spaces.MultiDiscrete([3, 2], start=[5, -9]),
        spaces.MultiBinary(4),
        spaces.Box(-1, 1, (2, 3)),
        spaces.Box(-1, 1, ()),
        spaces.Box(-np.inf, np.inf, (2,)),
    ],
    ids=str,
)
def test_a_header_is_read_as_it_was_written_whatever_the_actions(space) -> None:
    distribution = distribution_over(space)
    header = Header("World-v0", "mine", list(distribution.labels), [], distribution)
    assert Header.from_record(json.loads(json.dumps(header.record()))) == header
