"""How far long work has come, what is kept of it, and how it goes on."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rlvis import InputError, features
from rlvis.deprecation import DONE, renamed_parameters
from rlvis.interrupt import Stopped
from rlvis.progress import OnProgress, Progress, notebook_bar, reporter, silent
from rlvis.resumable import ResumableWork


def work(path, resume=False, on_progress: OnProgress = silent, **settings) -> ResumableWork:
    return ResumableWork("counting", "sheep", 10, settings, path, resume, on_progress)


def stop_at(step: int) -> OnProgress:
    def stop(progress: Progress) -> None:
        if progress.done == step:
            raise KeyboardInterrupt

    return stop


def test_work_goes_on_from_its_file(tmp_path) -> None:
    path = tmp_path / "state.npz"
    with pytest.raises(Stopped, match=r"stopped after 4 of 10 sheep; .*state.npz keeps the work"):
        work(path, on_progress=stop_at(4), k=1).advance(4, lambda: {"sum": np.array(7)})
    for other, message in (({"k": 2}, "made with k 1, not 2"), ({"j": 1}, "made with j None")):
        with pytest.raises(InputError, match=message):
            work(path, True, **other)
    again = work(path, True, k=1)
    assert (again.done, int(again.kept["sum"])) == (4, 7)
    again.remove()
    with pytest.raises(InputError, match="holds no unfinished work"):
        work(path, True, k=1)
    with pytest.raises(InputError, match="name the file"):
        work(None, True)


def test_work_stopped_at_its_end_is_finished(tmp_path) -> None:
    work(tmp_path / "x.npz", on_progress=stop_at(10)).advance(10, dict)
    assert not list(tmp_path.iterdir())
    with pytest.raises(Stopped, match=r"^stopped after 9 of 10 sheep$"):
        work(None, on_progress=stop_at(9)).advance(9, dict)


def test_work_is_kept_now_and_then(tmp_path, monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr("rlvis.resumable.time.monotonic", lambda: now)
    one, saved = work(tmp_path / "x.npz"), list[float]()

    def state() -> dict[str, np.ndarray]:
        saved.append(now)
        return {}

    for done in range(1, 10):
        now += 11
        one.advance(done, state)
    assert saved == [33, 66, 99]


def test_a_notebook_shows_a_bar_for_each_task(monkeypatch) -> None:
    shown: list[str] = []

    def display(bar: str, display_id: bool) -> SimpleNamespace:
        shown.append(bar)
        return SimpleNamespace(update=shown.append)

    shell = type("ZMQInteractiveShell", (), {})()
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    parts = SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", parts)
    report = reporter(None)
    for done in (1, 2):
        report(Progress("codes", done, 2, "images"))
    notebook_bar()(Progress("<x>", 1, 1, "steps"))
    assert [each.partition("> ")[2] for each in shown] == [
        "codes: 1 of 2 images",
        "codes: 2 of 2 images",
        "&lt;x&gt;: 1 of 1 steps",
    ]
    assert '<progress value="2" max="2">' in shown[1]
    monkeypatch.delitem(sys.modules, "IPython")
    assert reporter(None) is silent


def test_every_long_call_tells_its_progress(policy) -> None:
    pictures = torch.randint(0, 256, (20, 24, 32, 3)).byte().numpy()
    images = features.ArrayImages(pictures, np.arange(20) % 2)
    layers, told = ["features.1"], list[Progress]()
    found = features.codes(policy, images, on_progress=told.append)
    calls = {
        "patches": lambda: features.patches(policy, images, layers, on_progress=told.append),
        "units": lambda: features.units(policy, images, layers, on_progress=told.append),
        "t-SNE": lambda: features.embed(found, perplexity=3, on_progress=told.append),
        "left": lambda: features.synthesize(policy, "left", steps=2, on_progress=told.append),
        "attack": lambda: features.attack(policy, pictures[0], on_progress=told.append),
        "smallest attack": lambda: features.smallest_attack(
            policy, pictures[0], steps=1, on_progress=told.append
        ),
        "real images": lambda: features.strongest(policy, images, "left", on_progress=told.append),
        "dreaming of features.1": lambda: features.dream(
            policy, "features.1", pictures[0], on_progress=told.append
        ),
    }
    for name, call in calls.items():
        told.clear()
        call()
        assert [each.task for each in told] == [name] * len(told)
        assert told[-1].done == told[-1].total


def test_former_names_of_parameters_work_and_are_told() -> None:
    @renamed_parameters(size="eps", on_batch=DONE)
    def attack(eps: float, on_progress: OnProgress = silent) -> float:
        """Attacks."""
        on_progress(Progress("x", 3, 4, "steps"))
        return eps

    called: Any = attack
    done: list[int] = []
    with pytest.warns(DeprecationWarning, match="size is now eps"):
        assert called(size=2.0) == 2
    with pytest.warns(DeprecationWarning, match="on_batch is now on_progress"):
        assert called(1.0, on_batch=done.append) == 1
    assert done == [3]
    assert attack.__doc__ == "Attacks."
    with pytest.raises(TypeError, match="both size and eps"):
        called(size=1.0, eps=2.0)
