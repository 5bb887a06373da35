"""Wrappers by name beside Stable-Baselines3's, and what maps of stacked frames are over."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from torch import nn

from rlvis import METHODS, ImageModel, InputError, Policy, explain, record
from rlvis.images.frames import caption, picture_of
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.wrappers import FrameSkip, FrameStack
from tests.test_agents_sb3 import Noise, noise
from tests.worlds import Corridor

# RISE's map is the mean score under masks, which is not zero where nothing depends on them.
PIXEL_METHODS = [
    each.name for each in METHODS.values() if each.reads_pixels and each.name != "rise"
]


@pytest.mark.parametrize("shape", [(40, 48, 1), (40, 48, 3), (1, 40, 48)], ids=str)
def test_frames_are_stacked_as_by_stable_baselines(shape):
    worlds = noise(*shape), noise(*shape)
    for world in worlds:
        world.observation_space.seed(0)
        world.ends = 0
    ours = FrameStack(worlds[0], 3)
    theirs = VecFrameStack(DummyVecEnv([lambda: worlds[1]]), 3)
    seen, expected = ours.reset()[0], theirs.reset()[0]
    for _ in range(5):
        assert ours.observation_space.contains(seen)
        np.testing.assert_array_equal(seen, expected)
        seen, expected = ours.step(1)[0], theirs.step(np.array([1]))[0][0]


def test_wrappers_by_name():
    world = make_environment(
        "tests.worlds:Corridor-v0",
        wrappers=["grayscale", "resize:height=20,width=30", "frame-stack:frames=4"],
    )
    assert world.observation_space.shape == (20, 30, 4)
    world = make_environment(
        "tests.worlds:Corridor-v0", wrappers=["gymnasium.wrappers.TimeLimit:max_episode_steps=2"]
    )
    world.reset(seed=0)
    assert [world.step(1)[3] for _ in range(2)] == [False, True]


def test_an_action_for_several_steps():
    corridor = Corridor()
    world = FrameSkip(corridor, 3)
    world.reset(seed=2)
    start = corridor.place
    *_, info = world.step(0)
    assert info["place"] == start - 9


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        ("greyscale", "no wrapper 'greyscale'; did you mean 'grayscale'"),
        ("frame-stack:depth=3", "cannot wrap in 'frame-stack:depth=3': .*'depth'"),
        ("frame-stack:frames=0", "frames=0 cannot be; give a whole number from 1"),
        ("frame-skip:frames=0", "frames=0 cannot be; give a whole number from 1"),
        ("resize", "missing 1 required positional argument: 'height'"),
        ("gymnasium.wrappers.FrameStak", "no wrapper in gymnasium.wrappers 'FrameStak'"),
        ("nowhere.Wrapper", "No module named 'nowhere'; is its package installed"),
        ("builtins.id", "is no wrapper of environments"),
    ],
)
def test_wrong_wrappers(wrapper, message):
    with pytest.raises(InputError, match=message) as caught:
        make_environment("tests.worlds:Corridor-v0", wrappers=[wrapper])
    assert "\n" not in str(caught.value)


def test_only_arrays_are_stacked():
    with pytest.raises(ValueError, match="only arrays can"):
        FrameStack(Noise(spaces.Discrete(4), spaces.Discrete(2)))


def test_channels_are_shown_as_colours_or_grey():
    image = np.arange(12, dtype=np.uint8) * np.ones((2, 2, 1), np.uint8)
    for channels, frames, shown, said in (
        (1, 1, [0, 0, 0], "what the policy sees"),
        (2, 1, [1, 1, 1], "channel 2 of 2"),
        (3, 1, [0, 1, 2], "what the policy sees"),
        (4, 1, [0, 1, 2], "channels 1 to 3 of 4"),
        (4, 4, [3, 3, 3], "the latest of 4 stacked frames"),
        (12, 4, [9, 10, 11], "the latest of 4 stacked frames"),
        (12, 3, [8, 9, 10], "the latest of 3 stacked frames, channels 1 to 3 of 4"),
    ):
        assert picture_of(image[..., :channels], frames)[0, 0].tolist() == shown
        assert caption(channels, frames) == said


def stack_model(frames: int = 4) -> ImageModel:
    torch.manual_seed(7)
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 49, 3)
    )
    return ImageModel(network, ["a", "b", "c"], frames=frames)


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 4), dtype=np.uint8)


def test_separate_frames_make_up_the_whole(stack):
    model = stack_model()
    maps = [explain(model, stack, f"saliency:frame={frame}").maps for frame in range(4)]
    np.testing.assert_array_equal(np.max(maps, axis=0), explain(model, stack, "saliency").maps)
    maps = [explain(model, stack, f"input-x-gradient:frame={frame}").maps for frame in range(4)]
    whole = explain(model, stack, "input-x-gradient").maps
    np.testing.assert_allclose(np.sum(maps, axis=0), whole, rtol=1e-4, atol=1e-6)


def test_a_frame_of_several_channels(stack):
    why = explain(stack_model(frames=2), stack, "saliency:frame=-1", "a")
    assert (why.frames, why.frame) == (2, -1)
    x = torch.from_numpy(stack.transpose(0, 3, 1, 2).copy() / np.float32(255)).requires_grad_()
    stack_model().module(x)[:, 0].sum().backward()
    expected = x.grad[:, 2:].abs().amax(dim=1).numpy()
    np.testing.assert_allclose(why.maps[:, 0], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_a_frame_that_the_network_does_not_see_has_no_map(method, stack):
    model = stack_model()
    with torch.no_grad():
        model.module[0].weight[:, 1] = 0
    blind = explain(model, stack, f"{method}:frame=1", ["a", "b"]).maps
    seen = explain(model, stack, f"{method}:frame=2", ["a", "b"]).maps
    assert abs(blind).max() <= 1e-6 * abs(seen).max()


def test_layers_mix_frames(stack):
    with pytest.raises(InputError, match="grad-cam reads layers, where the frames are mixed"):
        explain(stack_model(), stack, "grad-cam:frame=1")
    for frame, message in ((4, "no frame 4; there are 4"), ("x", "no frame 'x'; write frame=-1")):
        with pytest.raises(InputError, match=message):
            explain(stack_model(), stack, f"saliency:frame={frame}")


@pytest.mark.parametrize(("frames", "expected"), [("sum", 2), ("last", 2), ("separate", 5)])
def test_recorded_frames(frames, expected, tmp_path):
    network = nn.Sequential(nn.Conv2d(4, 4, 8, stride=4), nn.Flatten(), nn.Linear(4 * 35, 3))
    policy = Policy(network, ["left", "stay", "right"])
    recording = record(
        policy,
        "tests.worlds:Corridor-v0",
        methods=["grad-cam", "saliency"],
        frames=frames,
        max_steps=4,
        wrappers=["grayscale", "frame-stack:frames=4"],
    )
    assert (recording.header.frames, len(recording.header.methods)) == (4, expected)
    assert recording.header.wrappers == ["grayscale", "frame-stack:frames=4"]
    last = recording.header.methods[-1]
    assert last.frame == {"sum": None, "last": 3, "separate": 3}[frames]
    assert recording.to_video(tmp_path / "film.mp4").stat().st_size > 10_000
    with pytest.raises(InputError, match="no way 'all' to show frames"):
        record(policy, "tests.worlds:Corridor-v0", frames="all", wrappers=["frame-stack"])
