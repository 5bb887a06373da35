"""Recordings for other tools: what these read back is what was recorded."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from rlvis import InputError, Recording, record
from rlvis.rollouts.export.rerun import to_rerun
from rlvis.rollouts.export.scalars import step_curves
from rlvis.rollouts.export.tensorboard import to_tensorboard
from rlvis.rollouts.export.wandb import to_wandb
from tests.conftest import seeking_policy


@pytest.fixture(scope="module")
def recording() -> Recording:
    policy = seeking_policy(shift=4)
    return record(policy, "tests.worlds:Corridor-v0", episodes=2, methods=["grad-cam"], seed=1)


def test_tensorboard_reads_the_curves(recording, tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    to_tensorboard(recording, tmp_path / "runs")
    for number, episode in enumerate(recording):
        events = EventAccumulator(str(tmp_path / "runs" / f"episode {number}"))
        events.Reload()
        read = [each.value for each in events.Scalars("steps/probability/left")]
        np.testing.assert_allclose(read, episode.probabilities[:, 0], rtol=1e-6)
    events = EventAccumulator(str(tmp_path / "runs" / "episodes"))
    events.Reload()
    read = [each.value for each in events.Scalars("episodes/return")]
    np.testing.assert_allclose(read, [each.total_reward for each in recording])


def test_rerun_reads_frames_maps_and_curves(recording, tmp_path) -> None:
    rerun = pytest.importorskip("rerun")
    path = to_rerun(recording, tmp_path / "r.rrd")
    assert path.stat().st_size > 1000
    content = path.read_bytes()
    for entity in ("camera", "heatmaps/grad-cam/left", "curves/margin"):
        assert entity.encode() in content, entity
    assert rerun.__version__


def test_wandb_is_told_the_curves(recording, monkeypatch) -> None:
    logged: list[dict] = []

    class Run:
        name = "run 1"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def log(self, values, step=None):
            logged.append(values)

    fake = SimpleNamespace(
        init=lambda **_: Run(), Table=lambda columns, data: SimpleNamespace(c=columns, d=data)
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    assert to_wandb(recording, "mine") == "run 1"
    returns = [each["episodes/return"] for each in logged if "episodes/return" in each]
    assert returns == [each.total_reward for each in recording]
    table = next(each["steps/episode 1"] for each in logged if "steps/episode 1" in each)
    assert len(table.d) == len(recording.numbers(1))


def test_what_a_policy_has_not_is_left_out(recording) -> None:
    curves = step_curves(recording, 0)
    assert "probability/left" in curves
    assert all(not np.isnan(each).all() for each in curves.values())


@pytest.mark.parametrize(
    ("export", "module", "message"),
    [(to_rerun, "rerun", r"rlvis\[rerun\]"), (to_wandb, "wandb", "pip install wandb")],
)
def test_what_is_not_installed_is_named(recording, export, module, message, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=message):
        export(recording, tmp_path / "r.rrd")


def test_places_that_cannot_be_written(recording, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        to_tensorboard(recording, tmp_path / "file" / "runs")
    with pytest.raises(InputError, match=r"\.rrd"):
        to_rerun(recording, tmp_path / "r.mp4")
