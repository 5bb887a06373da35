"""The film: a file that browsers play, whose frames show the numbers of the recording."""

import warnings

import av
import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import InputError, Policy, explain, record
from rlvis.display.overlays import limit, overlay
from rlvis.display.theme import DARK, fit, label_colour, length, told_apart, typeset
from rlvis.display.video_file import film_writer
from rlvis.images.frames import age, picture_of
from rlvis.models.targets import contrast
from rlvis.rollouts.film import writing as film
from rlvis.rollouts.film.frame import EpisodeFrames
from rlvis.rollouts.film.frame_layout import FrameLayout
from rlvis.rollouts.film.shown_maps import EpisodeMaps
from rlvis.rollouts.film.timeline import CURVES, Timeline, curve_of
from rlvis.rollouts.film.writing import frames_of
from rlvis.rollouts.recording import Recording
from tests.conftest import PooledPolicy, randomise
from tests.old_recordings import write_as_before

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
        ({"colormap": "virdis"}, "did you mean 'viridis'"),
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
        frames = EpisodeFrames(episode, EpisodeMaps(maps), header, "", [0, 1, 2], scale)
        x, y = frames.layout.place(1, 0)
        cell = frames.draw(0)[y + 4 : y + 80, x + 4 : x + 80].astype(int)
        return float((cell.max(axis=2) - cell.min(axis=2)).mean())

    assert strength("frame") > 2 * strength("episode")
    assert strength(float(maps[1][0].max())) > 2 * strength(100.0)


def test_maps_have_the_colours_that_were_asked_for_and_frames_are_kept(recording, tmp_path) -> None:
    kept = tmp_path / "frames"
    recording.to_video(tmp_path / "x.mp4", episodes=[1], colormap="viridis", pictures=kept)
    names = [f"episode_0001_step_{step:05d}.png" for step in range(len(recording.numbers(1)))]
    assert sorted(each.name for each in kept.iterdir()) == names
    usual = frames_of(recording, 1)
    x, y = usual.layout.place(1, 0)
    width, height = usual.layout.cell_of(1)
    tile = (slice(y + 4, y + height - 4), slice(x + 4, x + width - 4))
    with Image.open(kept / names[0]) as picture:
        coloured = np.asarray(picture)
    green = coloured[tile].astype(int)
    assert (green[..., 1] > green[..., 0] + 40).any()
    plain = usual.draw(0)
    assert not (plain[tile][..., 1].astype(int) > plain[tile][..., 0].astype(int) + 40).any()
    np.testing.assert_array_equal(coloured[:, :300], plain[:, :300])


def test_the_ending_says_what_to_write(recording, tmp_path) -> None:
    with pytest.raises(InputError, match=r"ends in \.mp4, \.gif"):
        recording.to_video(tmp_path / "x.avi")


def test_bars_are_as_long_as_the_probabilities(recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    for step in range(len(episode)):
        row = frames.draw(step)[94]
        for action in range(3):
            length = int((row == label_colour(action)).all(axis=1).sum())
            width = frames.layout.column_width
            assert abs(length - width * episode.probabilities[step, action]) <= 1


def test_the_action_taken_is_marked(recording) -> None:
    episode, frames = recording.episode(0), frames_of(recording, 0)
    layout = frames.layout
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
    box = frames.layout.timeline
    for step in range(len(episode)):
        column = frame[
            box.y : box.y + box.height, box.x + round((step + 0.2) * box.width / len(episode))
        ]
        counts = [(column == label_colour(action)).all(axis=1).sum() for action in range(3)]
        counts[episode.actions[step]] -= 10
        np.testing.assert_allclose(
            np.array(counts) / sum(counts), episode.probabilities[step], atol=0.05
        )


@pytest.mark.parametrize("columns", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("aspect", [0.75, 1.0, 4 / 3, 2.0])
@pytest.mark.parametrize("tracks", [1, 6])
def test_everything_has_its_place(columns, rows, aspect, tracks) -> None:
    layout = FrameLayout(columns, rows, aspect, tracks)
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


def test_the_action_taken_is_compared_with_the_best_of_the_others(policy) -> None:
    recording = record(policy, ENVIRONMENT, methods=["cam", "grad-cam"], max_steps=6, seed=2)
    episode, told = recording.episode(0), recording.contrast(0)
    assert told is not None
    for step, logits in enumerate(episode.logits):
        taken = int(episode.actions[step])
        other = max({0, 1, 2} - {taken}, key=lambda each: logits[each])
        names = [policy.labels[each] for each in (taken, other)]
        assert told.names[step] == [" - ".join(names)]
        assert told.values[step, 0] == pytest.approx(logits[taken] - logits[other], abs=1e-5)
        for method in ("cam", "grad-cam"):
            direct = explain(policy, episode.observations[step], method, contrast(*names))
            maps = recording.contrast_heatmaps(0, method)
            assert maps is not None
            np.testing.assert_allclose(maps[step], direct.heatmaps[0, 0], atol=1e-6)
    stored = recording._stored(0)
    assert "contrasts/grad-cam" in stored
    assert "contrasts/cam" not in stored
    assert recording.heatmaps(0, "cam").shape[1] == 3


def test_bias_and_evidence_add_up_to_the_logit(policy, recording) -> None:
    evidence = recording.evidence(0, "cam")
    assert evidence is not None
    bias = recording.episode(0).logits - evidence[:, :3]
    own = policy.module.policy.bias.detach().numpy()
    np.testing.assert_allclose(bias, np.broadcast_to(own, bias.shape), atol=1e-5)
    told = recording.contrast(0)
    taken = recording.episode(0).actions
    assert told is not None
    others = [policy.labels.index(row[0].split(" - ")[1]) for row in told.names]
    np.testing.assert_allclose(
        told.values[:, 0] - evidence[:, 3], own[taken] - own[others], atol=1e-5
    )
    assert recording.evidence(0, "saliency") is None
    uneven = record(policy, ENVIRONMENT, methods=["cam"], targets=["left", "entropy"], max_steps=3)
    found = uneven.evidence(0, "cam")
    assert found is not None
    assert np.isfinite(found[:, 0]).all()
    assert np.isnan(found[:, 1]).all()


def test_recordings_of_before_are_filmed_as_they_were(policy, tmp_path) -> None:
    made = record(policy, ENVIRONMENT, methods=["cam", "saliency"], max_steps=4)
    opened = Recording.open(write_as_before(made, tmp_path / "old.zarr", 2))
    assert opened.contrast(0) is None
    assert opened.contrast_heatmaps(0, "cam") is None
    assert opened.evidence(0, "cam") is None
    assert frames_of(opened, 0).layout.columns == 3
    assert opened.to_video(tmp_path / "old.mp4").stat().st_size > 10_000


def test_a_map_that_says_little_is_not_coloured(policy) -> None:
    def colour(scale: float) -> float:
        barely = Policy(randomise(PooledPolicy()).eval(), policy.labels)
        with torch.no_grad():
            for each in barely.module.policy.parameters():
                each.mul_(scale)
        recording = record(barely, ENVIRONMENT, methods=["cam"], max_steps=3, seed=1)
        frames = frames_of(recording, 0)
        width, height = frames.layout.cell
        found = []
        for column in range(3):
            x, y = frames.layout.place(0, column)
            tile = frames.draw(1)[y + 2 : y + height - 2, x + 2 : x + width - 2].astype(int)
            found.append((tile.max(axis=2) - tile.min(axis=2)).mean())
        return float(np.mean(found))

    assert colour(1) > 20
    assert colour(1e-4) < 6
    assert colour(0) < 6


def test_frames_of_a_stack_fill_the_page() -> None:
    rows = FrameLayout(4, 5, 4 / 3)
    together = FrameLayout(4, 2, 4 / 3, 1, (1, 4))

    def filled(layout: FrameLayout) -> int:
        counts = layout.tiles or (1,) * layout.rows
        cells = [layout.cell_of(row) for row in range(layout.rows)]
        return sum(count * w * h for count, (w, h) in zip(counts, cells, strict=True))

    assert filled(together) > 2 * filled(rows)
    for tile in range(4):
        x, y = together.place(1, 3, tile)
        width, height = together.cell_of(1)
        assert x + width <= 1280 - 24
        assert y + height <= together.foot_of(1)


def test_episodes_and_steps_count_from_zero(recording, monkeypatch) -> None:
    titles = []

    class Told(EpisodeFrames):
        def __init__(self, episode, maps, header, title, *rest) -> None:
            titles.append(title)
            super().__init__(episode, maps, header, title, *rest)

    monkeypatch.setattr(film, "EpisodeFrames", Told)
    frames_of(recording, 0)
    frames_of(recording, 1)
    assert ["episode 0 of 0–1" in titles[0], "episode 1 of 0–1" in titles[1]] == [True, True]


@pytest.mark.parametrize("fps", [0.5, 3, 7, 10, 15, 24, 30, 50, 60, 99, 120])
def test_a_gif_has_the_speed_that_was_asked_for(tmp_path, fps) -> None:
    """In hundredths of a second, never fewer than two, which browsers would show as ten."""
    count, path = 121, tmp_path / "x.gif"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with film_writer(path, fps) as write:
            for number in range(count):
                frame = np.zeros((40, 2 * count + 8, 3), np.uint8)
                frame[:, 2 * number : 2 * number + 8] = 255
                write(frame)
    assert bool(told) == (fps > 50)
    assert all("50 frames a second at most" in str(each.message) for each in told)
    with Image.open(path) as gif:
        starts, seen, clock = [], [], 0
        for number in range(getattr(gif, "n_frames")):  # noqa: B009
            gif.seek(number)
            row = np.asarray(gif.convert("L"))[5] > 128
            starts.append(clock / 1000)
            seen.append(row.argmax())
            assert gif.info["duration"] >= 20
            clock += gif.info["duration"]
    assert clock / 1000 == pytest.approx(count / fps, abs=0.025)
    np.testing.assert_allclose(np.array(starts) * fps, seen, atol=0.02 * fps + 0.01)
    assert len(seen) == (count if fps <= 50 else len(set(seen)))
    assert len(seen) >= min(count, 49 * count / fps)


@pytest.mark.parametrize("width", [60, 90, 140, 400])
@pytest.mark.parametrize(
    "names",
    [
        [f"turn_right_and_move_forward_{number}" for number in range(30)],
        [f"{number}_of_the_many_actions_there_are" for number in range(30)],
        [f"turn_{way}_and_move_slowly" for way in ("left", "right", "half_left", "half_right")],
        ["fire", "up and fire", "down and fire", "noop"],
    ],
)
def test_names_that_are_cut_stay_different(names, width) -> None:
    cut = told_apart(tuple(names), width, 16, True)
    assert len(set(cut)) == len(names)
    assert all(length(each, 16, True) <= width for each in cut)
    if width == 400:
        assert cut == tuple(names)


def test_one_minus_sign() -> None:
    assert typeset("left - right -1.5 2e-05 -inf grad-cam 0-255") == (
        "left − right −1.5 2e−05 −inf grad-cam 0-255"
    )
    assert fit("abcdefghij" * 3, 80, 16, share=0.5).count("…") == 1


def test_chosen_is_a_target_like_others(policy) -> None:
    recording = record(policy, ENVIRONMENT, methods=["grad-cam"], targets=["chosen"], max_steps=3)
    default = record(policy, ENVIRONMENT, methods=["grad-cam"], max_steps=3)
    found, expected = recording.targets(0), default.contrast(0)
    assert found is not None
    assert expected is not None
    assert found.names == expected.names
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
    with pytest.raises(InputError, match="which action was taken"):
        explain(policy, recording.episode(0).observations, "saliency", "chosen")


def test_what_differs_in_names_stays_visible() -> None:
    ends = told_apart(tuple(f"turn_right_and_move_forward_{n}" for n in range(30)), 130, 16, True)
    assert [each.rpartition("_")[2] for each in ends] == [str(n) for n in range(30)]
    starts = told_apart(tuple(f"{n}_turn_right_and_move_forward" for n in range(30)), 90, 16, True)
    assert [each.partition("_")[0] for each in starts] == [str(n) for n in range(30)]


@pytest.mark.parametrize(
    ("size", "shape"), [((640, 360), (360, 640)), ((1920, 1080), (1080, 1920))]
)
def test_a_film_has_the_size_that_was_asked_for(policy, tmp_path, size, shape) -> None:
    recording = record(policy, "tests.worlds:Corridor-v0", methods=["cam"])
    path = recording.to_video(tmp_path / "f.mp4", size=size)
    assert iio.imread(path, plugin="pyav", index=0).shape[:2] == shape


def test_curves_are_drawn_below_the_probabilities(policy) -> None:
    recording = record(policy, "tests.worlds:Corridor-v0", methods=["cam"])
    episode = recording.numbers(0)
    for name in CURVES:
        values = curve_of(episode, name)
        assert values.shape == (len(episode),)
        strip = np.zeros((260, 600, 3), np.uint8)
        bare = strip.copy()
        Timeline(episode, [0, 1, 2], 600, 260, curves=[name]).draw(strip, 0, 0, 0)
        Timeline(episode, [0, 1, 2], 600, 260, curves=[]).draw(bare, 0, 0, 0)
        assert (strip != bare).any()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"size": (1280, 1280)}, "16 to 9"),
        ({"size": (32, 18)}, "16 to 9"),
        ({"curves": ["margins"]}, "did you mean 'margin'"),
        ({"curves": ["value"] * 12}, "no room for 12 curves"),
    ],
)
def test_looks_that_are_none(policy, tmp_path, how, message) -> None:
    recording = record(policy, "tests.worlds:Corridor-v0", methods=["cam"])
    with pytest.raises(InputError, match=message):
        recording.to_video(tmp_path / "f.mp4", **how)
