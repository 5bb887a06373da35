"""The film: a file that browsers play, whose frames show the numbers of the recording."""

import av
import numpy as np
import pytest
from PIL import Image

from rlvis import InputError, record
from rlvis.display.encode import film_writer
from rlvis.display.film import frames_of
from rlvis.display.frame import EpisodeFrames, Layout
from rlvis.display.overlay import limit, overlay
from rlvis.display.theme import DARK, label_colour
from rlvis.frames import age, picture_of

ENVIRONMENT = "tests.worlds:Corridor-v0"


@pytest.fixture
def recording(policy):
    return record(policy, ENVIRONMENT, episodes=2, methods=["cam", "saliency"], seed=1)


def decoded(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_film_is_h264_that_browsers_play(recording, tmp_path) -> None:
    drawn = []
    path = recording.to_video(tmp_path / "deep" / "x.mp4", fps=5, on_frame=lambda: drawn.append(1))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (1280, 720)
        assert stream.average_rate == 5
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    steps = sum(len(episode) for episode in recording)
    assert len(drawn) == steps
    assert len(decoded(path)) == steps + 2 * 5
    assert [each.name for each in path.parent.iterdir()] == ["x.mp4"]


def test_frames_arrive_as_they_were_drawn(tmp_path) -> None:
    colours = [(250, 20, 20), (20, 250, 20), (20, 20, 250)]
    canvas = np.empty((99, 101, 3), np.uint8)
    with film_writer(tmp_path / "x.mp4", 10) as write:
        for colour in colours:
            canvas[:] = colour
            write(canvas)
    frames = decoded(tmp_path / "x.mp4")
    assert [frame.shape for frame in frames] == [(98, 100, 3)] * 3
    for frame, colour in zip(frames, colours, strict=True):
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), colour, atol=12)


def test_a_gif_moves(recording, tmp_path) -> None:
    path = recording.to_video(tmp_path / "x.gif", episodes=[0], fps=10)
    with Image.open(path) as gif:
        assert gif.size == (640, 360)
        assert getattr(gif, "n_frames") >= len(recording.episode(0))  # noqa: B009
        assert gif.info["duration"] == 100


def test_a_failure_leaves_no_half_film(tmp_path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"the old film")

    def fail() -> None:
        with film_writer(tmp_path / "x.mp4", 10) as write:
            write(np.zeros((64, 64, 3), np.uint8))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [each.name for each in tmp_path.iterdir()] == ["x.mp4"]
    assert (tmp_path / "x.mp4").read_bytes() == b"the old film"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"methods": ["salincy"]}, "did you mean 'saliency'"),
        ({"actions": ["up"]}, "no action 'up'"),
        ({"episodes": [2]}, "no episode 2"),
        ({"episodes": []}, "no episode to show"),
        ({"fps": 0}, "steps per second"),
        ({"scale": "row"}, "choose episode, frame or a positive number"),
        ({"scale": 0}, "choose episode, frame or a positive number"),
    ],
)
def test_wrong_choices_are_refused(recording, tmp_path, how, message) -> None:
    with pytest.raises(InputError, match=message):
        recording.to_video(tmp_path / "x.mp4", **how)
    assert not list(tmp_path.iterdir())


def test_what_full_strength_stands_for_is_chosen(recording) -> None:
    episode, header = recording.episode(0), recording.header
    maps = [recording.heatmaps(0, each.name) for each in header.methods]
    maps[1][0] *= 0.05

    def strength(scale) -> float:
        frames = EpisodeFrames(episode, maps, header, "", [0, 1, 2], scale)
        x, y = Layout(3, 2, 32 / 24).place(1, 0)
        cell = frames.draw(0)[y + 4 : y + 80, x + 4 : x + 80].astype(int)
        return float((cell.max(axis=2) - cell.min(axis=2)).mean())

    assert strength("frame") > 2 * strength("episode")
    assert strength(float(maps[1][0].max())) > 2 * strength(100.0)


def test_the_ending_says_what_to_write(recording, tmp_path) -> None:
    with pytest.raises(InputError, match=r"ends in \.mp4, \.gif"):
        recording.to_video(tmp_path / "x.avi")


def test_bars_are_as_long_as_the_probabilities(recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    for step in range(len(episode)):
        row = frames.draw(step)[94]
        for action in range(3):
            length = int((row == label_colour(action)).all(axis=1).sum())
            width = Layout(3, 2, 32 / 24).column_width
            assert abs(length - width * episode.probabilities[step, action]) <= 1


def test_the_action_taken_is_marked(recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    layout = Layout(3, 2, 32 / 24)
    for step in range(len(episode)):
        frame = frames.draw(step)
        marked = []
        for action in range(3):
            x, y = layout.place(0, action)
            if tuple(frame[y - 2, x + 20]) == label_colour(action):
                marked.append(action)
        assert marked == [episode.actions[step]]


def test_the_strip_shows_the_probabilities_of_every_step(recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    frame = frames.draw(len(episode) - 1)
    box = Layout(3, 2, 32 / 24).timeline
    for step in range(len(episode)):
        column = frame[
            box.y : box.y + box.height, box.x + round((step + 0.2) * box.width / len(episode))
        ]
        counts = [(column == label_colour(action)).all(axis=1).sum() for action in range(3)]
        counts[episode.actions[step]] -= 10
        np.testing.assert_allclose(
            np.array(counts) / sum(counts), episode.probabilities[step], atol=0.05
        )


@pytest.mark.parametrize("columns", [1, 2, 3, 6])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("aspect", [0.75, 1.0, 4 / 3, 2.0])
@pytest.mark.parametrize("tracks", [1, 6])
def test_everything_has_its_place(columns, rows, aspect, tracks) -> None:
    layout = Layout(columns, rows, aspect, tracks)
    width, height = layout.cell
    assert min(width, height) >= (50 if tracks == 1 else 35)
    assert width / height == pytest.approx(aspect, rel=0.03)
    x, y = layout.place(rows - 1, columns - 1)
    assert x + width <= 1280
    assert layout.timeline.height >= 100 + (tracks - 1) * 26
    assert y + height + 24 <= layout.timeline.y
    assert layout.timeline.y + layout.timeline.height <= 720


def test_overlay_leaves_the_picture_where_there_is_no_evidence() -> None:
    picture = np.full((4, 4), 77, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0], heat[1, 1] = 1, -1
    for signed in (False, True):
        out = overlay(picture, heat, limit(heat, 1), signed)
        assert abs(out[3, 3].astype(int) - 77).max() <= 2
        assert out[0, 0, 0] > 150
        assert (out[1, 1, 2] > 150) == signed
    assert abs(overlay(picture, heat, 0.0, False).astype(int) - 77).max() <= 2


def test_stacks_show_their_last_frame() -> None:
    stack = np.arange(4, dtype=np.uint8) * np.ones((5, 5, 1), np.uint8)
    assert (picture_of(stack, 4) == 3).all()
    assert (picture_of(stack, 4, 1) == 1).all()
    assert (picture_of(stack, 2, 0) == 1).all()
    assert picture_of(stack[..., :1], 1).shape == (5, 5, 3)
    assert picture_of(np.zeros((5, 5, 6), np.uint8), 2).shape == (5, 5, 3)
    assert [age(frame, 4) for frame in (-1, 3, 2, 0)] == [
        *["latest frame"] * 2,
        "1 frame earlier",
        "3 frames earlier",
    ]
    assert DARK.background != DARK.text


def test_targets_have_columns_of_their_own(policy, tmp_path) -> None:
    wanted = ["left - right", "margin", "value"]
    recording = record(policy, ENVIRONMENT, targets=wanted, methods=["cam"], max_steps=4, seed=2)
    targets = recording.targets(0)
    assert recording.header.targets == wanted
    assert targets is not None
    assert [names[0] for names in targets.names] == ["left - right"] * 4
    episode = recording.episode(0)
    ordered = np.sort(episode.logits, axis=1)
    np.testing.assert_allclose(targets.values[:, 1], ordered[:, -1] - ordered[:, -2], rtol=1e-4)
    best, runner_up = np.argsort(-episode.logits[0])[:2]
    actions = recording.header.actions
    assert targets.names[0][1] == f"{actions[best]} - {actions[runner_up]}"
    np.testing.assert_allclose(targets.values[:, 2], episode.values, rtol=1e-4)
    assert recording.heatmaps(0, "cam").shape[1] == 3
    film = recording.to_video(tmp_path / "film.mp4", actions=["margin"])
    assert film.stat().st_size > 10_000
    with pytest.raises(InputError, match="no target 'left'"):
        recording.to_video(tmp_path / "film.mp4", actions=["left"])
