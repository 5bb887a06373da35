"""Pictures of CubeReach: like MiniWorld's, undisturbed, exact masks, nothing leaked or printed."""

import subprocess
import sys
import threading
from typing import Any

import gymnasium
import numpy as np
import pyglet
import pytest

from rlvis_envs.cube_reach import CubeReachEnv
from rlvis_envs.render import renderer
from rlvis_envs.render.framebuffer import FrameBuffer
from rlvis_envs.render.gl import Texture, drawing, gl


def make(**options) -> CubeReachEnv:
    env = gymnasium.make("rlvis_envs:CubeReach-v0", **options).unwrapped
    assert isinstance(env, CubeReachEnv)
    return env


CAMERA = {"height": 1.45, "forward": 0.09, "pitch": 4.0, "field_of_view": 64.0}
STOCK_NAMES = {
    "height": "cam_height",
    "forward": "cam_fwd_disp",
    "pitch": "cam_pitch",
    "field_of_view": "cam_fov_y",
}


@pytest.fixture
def stock():
    """MiniWorld's own red box room, of the same size, with another camera."""
    env: Any = gymnasium.make("miniworld:MiniWorld-OneRoom-v0", size=8).unwrapped
    env.reset(seed=0)
    for name, value in CAMERA.items():
        setattr(env.agent, STOCK_NAMES[name], value)
    yield env
    env.close()


def test_the_picture_is_the_one_that_miniworld_draws(stock):
    env = make()
    for seed in range(20):
        env.reset(seed=seed)
        state = env.get_state()
        state["scene"]["camera"] = CAMERA
        ours, _ = env.set_state(state)
        pose, cube = env.episode.pose, env.episode.scene.cube
        stock.agent.pos, stock.agent.dir = np.array([pose.x, 0, pose.z]), pose.angle
        stock.box.pos, stock.box.dir = np.array([cube.x, 0, cube.z]), cube.angle
        difference = np.abs(ours.astype(int) - stock.render_obs().astype(int))
        assert np.mean(difference > 2) < 0.002
        assert difference.mean() < 0.1


def test_the_mask_is_what_changes_with_the_colour_of_the_cube():
    env = make(distractors=4)
    sizes = []
    for seed in range(60):
        env.reset(seed=seed)
        state = env.get_state()
        mask = env.cube_mask()
        pictures = []
        for color in ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)):
            state["scene"]["cube"]["color"] = color
            pictures.append(env.set_state(state)[0])
        np.testing.assert_array_equal(mask, (pictures[0] != pictures[1]).any(axis=-1))
        assert (mask.dtype, mask.shape) == (np.dtype(bool), (60, 80))
        sizes.append(mask.sum())
    assert min(sizes) == 0
    assert max(sizes) > 100


def test_masks_and_views_disturb_nothing():
    watched, plain = make(domain_rand=True), make(domain_rand=True)
    watched.reset(seed=4)
    plain.reset(seed=4)
    for action in (0, 1, 1, 2, 1) * 4:
        watched.cube_mask()
        watched.render_view("top", 64, 48)
        watched.render_view("agent", 64, 48)
        np.testing.assert_array_equal(watched.step(action)[0], plain.step(action)[0])


def test_environments_in_one_process_keep_their_own_pictures():
    options: list[dict] = [
        {"room_size": 5.0},
        {"domain_rand": True, "distractors": 3},
        {"obs_height": 40},
    ]

    def alone(number: int) -> list[np.ndarray]:
        env = make(**options[number])
        frames = [env.reset(seed=number)[0], *(env.step(i % 3)[0] for i in range(20))]
        env.close()
        return frames

    expected = [alone(number) for number in range(3)]
    envs = [make(**option) for option in options]
    frames = [[env.reset(seed=number)[0]] for number, env in enumerate(envs)]
    for i in range(20):
        for number, env in enumerate(envs):
            frames[number].append(env.step(i % 3)[0])
        passing = make(room_size=4.0 + i)
        passing.reset()
        passing.close()
    for number in range(3):
        np.testing.assert_array_equal(frames[number], expected[number])


def test_stock_environments_and_ours_leave_each_other_alone():
    stock = gymnasium.make("miniworld:MiniWorld-OneRoom-v0", domain_rand=True).unwrapped
    stock_expected = [stock.reset(seed=seed)[0] for seed in range(4)]
    env = make()
    expected, _ = env.reset(seed=0)
    for seed in range(4):
        np.testing.assert_array_equal(env.reset(seed=0)[0], expected)
        np.testing.assert_array_equal(stock.reset(seed=seed)[0], stock_expected[seed])


def test_pictures_survive_the_end_of_other_windows_in_the_middle(monkeypatch):
    """As when the garbage collector finds a dropped MiniWorld environment while we draw."""
    env = make()
    expected, _ = env.reset(seed=1)
    state = env.get_state()
    with drawing():
        window = pyglet.window.Window(width=1, height=1, visible=False)

    def read_after_closing(self: FrameBuffer, read=FrameBuffer.read) -> np.ndarray:
        window.close()
        return read(self)

    monkeypatch.setattr(FrameBuffer, "read", read_after_closing)
    np.testing.assert_array_equal(env.set_state(state)[0], expected)


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_fresh_process_draws_the_same_beside_a_stock_environment(when):
    code = """
import gc, gymnasium, sys, rlvis_envs.render.gl
ours = gymnasium.make("rlvis_envs:CubeReach-v0")
if sys.argv[1] == "during":
    ours.reset()
for size in (20, 3):
    gymnasium.make("miniworld:MiniWorld-OneRoom-v0", size=size, domain_rand=True).reset()
    gc.collect()
sys.stdout.buffer.write(ours.reset(seed=0)[0].tobytes())
"""
    done = subprocess.run([sys.executable, "-c", code, when], capture_output=True, check=True)
    expected, _ = make().reset(seed=0)
    assert done.stdout.endswith(expected.tobytes())


def test_any_thread_may_draw():
    env = make()
    here, _ = env.reset(seed=1)
    there: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: there.append(env.reset(seed=1)[0]))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(there[0], here)


def test_render_gives_the_size_and_view_asked_for():
    top = make(render_mode="rgb_array", view="top", render_width=200, render_height=120)
    top.reset(seed=3)
    picture = top.render()
    assert picture is not None
    assert (picture.dtype, picture.shape) == (np.dtype(np.uint8), (120, 200, 3))
    np.testing.assert_array_equal(picture, top.render_view("top", 200, 120))
    agent = make(render_mode="rgb_array", view="agent", render_width=80, render_height=60)
    observation, _ = agent.reset(seed=3)
    np.testing.assert_array_equal(agent.render(), observation)


def test_the_top_view_shows_agent_and_cube_where_they_are():
    env = make()
    env.reset(seed=3)
    state = env.get_state()
    state["pose"] = {"x": 2.0, "z": 6.0, "angle": 0.0}
    state["scene"]["cube"] |= {"x": 6.0, "z": 2.0}
    env.set_state(state)
    picture = env.render_view("top", 400, 400).astype(int)
    row, column = np.argwhere(picture[..., 0] - picture[..., 1] > 200).mean(axis=0)
    assert column > 250
    assert row < 150
    row, column = np.argwhere(picture[..., 2] - picture[..., 0] > 60).mean(axis=0)
    assert column < 150
    assert row > 250
    state["pose"]["angle"] = 1.0
    env.set_state(state)
    assert (env.render_view("top", 400, 400) != picture).any(), "the heading shows"


def test_the_view_is_allocated_only_when_somebody_looks(monkeypatch):
    made = []

    class Counted(renderer.FrameBuffer):
        def __init__(self, width: int, height: int) -> None:
            made.append((width, height))
            super().__init__(width, height)

    monkeypatch.setattr(renderer, "FrameBuffer", Counted)
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(0)
    assert made == [(80, 60)]
    env.render()
    env.render()
    assert made == [(80, 60), (320, 240)]


def test_closing_gives_everything_back():
    def names_in_use() -> tuple[int, int, int]:
        with drawing():
            lists = sum(gl.glIsList(i) for i in range(1, 2000))
            buffers = sum(gl.glIsFramebuffer(i) for i in range(1, 2000))
            renderbuffers = sum(gl.glIsRenderbuffer(i) for i in range(1, 2000))
        return lists, buffers, renderbuffers

    make().reset()
    before = names_in_use()
    for _ in range(200):
        env = make(render_mode="rgb_array", render_width=64, render_height=64)
        env.reset()
        env.render()
        env.close()
        env.close()
    assert names_in_use() == before
    assert len(Texture.tex_cache) < 30


def test_nothing_is_printed_and_no_display_is_needed():
    code = """
import gymnasium
env = gymnasium.make("rlvis_envs:CubeReach-v0", render_mode="rgb_array")
env.reset(); env.step(1); env.render(); env.unwrapped.cube_mask(); env.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("library", ["EGL", "GLU", "driver"])
def test_missing_opengl_is_one_clear_error(library):
    code = f"""
import ctypes, gymnasium, sys, rlvis_envs
load = ctypes.CDLL.__init__
def without(self, name, *args, **kwargs):
    if name and {library!r} in name:
        raise OSError(name + ": cannot open shared object file")
    load(self, name, *args, **kwargs)
ctypes.CDLL.__init__ = without
try:
    gymnasium.make("rlvis_envs:CubeReach-v0").reset()
except rlvis_envs.OpenGLMissingError as error:
    print(error)
"""
    missing_driver = {"LIBGL_DRIVERS_PATH": "/missing"} if library == "driver" else {}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", **missing_driver},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert "libegl1 libgl1 libgl1-mesa-dri libglu1-mesa" in done.stdout
