"""What an explanation says of its maps beside them: units, one-sidedness, maps that say little."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rlvis import METHODS, Policy, explain, record
from rlvis.attribution.explanation import concatenate
from rlvis.attribution.panel_parts import cell_side
from rlvis.display.overlays import bare, grey, resize_picture
from rlvis.models.targets import contrast, entropy
from rlvis.rollouts.film.frame_layout import SUM_LINE
from rlvis.rollouts.film.writing import frames_of
from tests.test_many_actions import Net


@pytest.mark.parametrize(
    ("method", "target", "unit"),
    [
        ("cam", None, "logit"),
        ("cam", "value", "value"),
        ("cam", ["left", "value"], "score"),
        ("grad-cam", contrast("left", "right"), "logit"),
        ("integrated-gradients", entropy(), "nats"),
        ("occlusion", "left", "fall of the logit"),
        ("rise", "log p(left)", "mean nats"),
        ("sarfa", "left", "share"),
        ("saliency", "value", "value per unit of the input"),
        ("ablation-cam", "left", "logit × activation"),
    ],
)
def test_units(policy, inputs, method, target, unit) -> None:
    assert explain(policy, inputs, method, target).unit == unit


def test_what_is_cut_and_what_is_signed(policy, inputs) -> None:
    for name, explained in explain(policy, inputs, [m for m in METHODS if "att" not in m]).items():
        if not explained.signed:
            assert explained.maps.min() >= 0, name
    assert explain(policy, inputs, "rise", contrast("left", "right")).maps.min() < 0
    assert METHODS["rise"].signed
    assert explain(policy, inputs, "grad-cam").one_sided
    assert not explain(policy, inputs, "cam").one_sided


def test_notes(policy, inputs) -> None:
    why = explain(policy, inputs[:1], ["cam", "grad-cam", "saliency", "occlusion"], "left")
    whole = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    spread, level = whole + 1, float(np.abs(why["cam"].logits).max())

    def notes(method: str, heat: np.ndarray, **changes: object) -> list[str]:
        return replace(why[method], maps=heat.astype(np.float32), **changes).notes[0][0]

    assert notes("cam", spread) == []
    assert notes("cam", whole * 0) == ["empty: nothing changes it"]
    assert notes("grad-cam", whole * 0) == ["empty: the map shows nothing"]
    assert notes("saliency", whole * 0) == ["empty: the map shows nothing"]
    assert notes("occlusion", whole * 0) == ["empty: nothing changes it"]
    assert notes("cam", whole * 0 + 3) == ["constant"]
    assert notes("saliency", 100 + whole / 2) == ["nearly constant"]
    assert notes("cam", spread * 1e-5) == ["weak: moves the odds by less than 1%"]
    assert notes("occlusion", spread * 1e-3) == ["weak: moves the odds by less than 1%"]
    assert notes("saliency", spread) == []
    assert notes("saliency", spread * 1e-9) == ["weaker than rounding noise"]
    assert notes("saliency", spread * 1e-4) == ["weak: adds up to less than 0.01 logit"]
    assert notes("cam", spread * level * 1e-8) == ["weaker than rounding noise"]
    masked = np.full((1, 1), -np.inf, np.float32)
    assert notes("cam", whole * 0, scores=masked) == ["masked"]


def test_a_batch_has_the_notes_of_its_images(policy, inputs) -> None:
    with torch.no_grad():
        policy.module.policy.weight[1] = 0
    whole = explain(policy, inputs, "cam")
    parts = [explain(policy, each[None], "cam") for each in inputs]
    assert whole.notes == [row for each in parts for row in each.notes]
    assert whole.notes[0][1] == ["empty: nothing changes it"]
    joined = concatenate(parts)
    assert joined.notes == whole.notes
    assert (joined.unit, joined.one_sided, joined.signed) == ("logit", False, True)


@pytest.mark.parametrize("actions", [3, 7])
def test_notes_stand_under_maps_and_hide_nothing_of_them(actions) -> None:
    """In a film and in a panel: where a map is left out the whole picture is there."""
    names = [f"a{each}" for each in range(actions)]
    network = Net(actions).eval()
    network.head.weight.data[0] = 0
    policy = Policy(network, names, observation_shape=(24, 32, 3), name="silent")
    recording = record(
        policy,
        "tests.test_many_actions:ManyActions-v0",
        methods=["cam", "saliency"],
        env_options={"actions": actions},
    )
    frames = frames_of(recording, 0)
    noted = frames._shown.index(0)
    drawn = frames.draw(0)
    for row in (0, 1):
        (width, height), (x, y) = frames.layout.cell_of(row), frames.layout.place(row, noted)
        picture = grey(recording.episode(0).observations[0])
        expected = bare(resize_picture(picture, width, height))
        np.testing.assert_array_equal(drawn[y : y + height, x : x + width], expected)
        below = drawn[y + height + 3 : y + height + 2 * SUM_LINE + 8, x : x + width]
        assert (below > 100).any()
    image = recording.episode(0).observations[0]
    why = explain(policy, image, "cam", names[:2])
    assert why.notes[0] == [["empty: nothing changes it"], why.notes[0][1]]
    panel = np.asarray(why.panel())
    side = cell_side(2)
    tall = round(side * 24 / 32)
    assert holds(panel, bare(resize_picture(grey(image), side, tall)))


def holds(canvas: np.ndarray, part: np.ndarray) -> bool:
    """Whether a picture is there whole, anywhere on a canvas."""
    windows = np.lib.stride_tricks.sliding_window_view(canvas[..., 0], part.shape[:2])
    corner = windows[..., 0, 0] == part[0, 0, 0]
    return any(
        np.array_equal(canvas[y : y + len(part), x : x + part.shape[1]], part)
        for y, x in np.argwhere(corner & (windows[..., -1, -1] == part[-1, -1, 0]))
    )
