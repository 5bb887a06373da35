"""Where results are built before they take their place: one writer, and nothing left behind."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from rlvis import InputError, building
from rlvis.building import PREFIX, Building, Lock, alone_in
from rlvis.files import writing

_KINDS = {".txt": "text"}


@pytest.fixture(autouse=True)
def unseen(monkeypatch) -> None:
    monkeypatch.setattr(building, "_cleared", set())


def hidden(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.name.startswith(PREFIX)]


def test_a_file_is_written_whole_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), writing(path, _KINDS) as (temporary, _):  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with writing(path, _KINDS) as (temporary, _):
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert hidden(tmp_path) == []


def test_a_folder_takes_the_place_of_another(tmp_path) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").touch()
    made = Building.beside(target)
    built = made.folder / "result"
    built.mkdir()
    (built / "new").touch()
    made.finish(built)
    assert [each.name for each in target.iterdir()] == ["new"]
    assert hidden(tmp_path) == []


def test_one_writer_at_a_time(tmp_path) -> None:
    target = tmp_path / "result"
    first = Building.beside(target, alone=True)
    with pytest.raises(InputError, match=r"another process is writing .*result; wait for it"):
        Building.beside(target, alone=True)
    assert Building.beside(tmp_path / "other", alone=True).folder != first.folder
    first.remove()
    Building.beside(target, alone=True).remove()
    with (
        alone_in(tmp_path, "the run"),
        pytest.raises(InputError, match="another process is writing the run"),
        alone_in(tmp_path, "the run"),
    ):
        pass
    with alone_in(tmp_path, "the run"):
        pass


def _build_until_killed(target: Path, started: "multiprocessing.synchronize.Event") -> None:
    made = Building.beside(target, alone=True)
    (made.folder / "half").touch()
    started.set()
    time.sleep(60)


@pytest.mark.parametrize("name", ["result", "neighbour"])
def test_what_a_killed_process_leaves_is_removed(tmp_path, name) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_build_until_killed, args=(tmp_path / "result", started))
    process.start()
    assert started.wait(60)
    living = Building.beside(tmp_path / "neighbour")
    assert len(hidden(tmp_path)) == 2
    living.remove()
    assert len(hidden(tmp_path)) == 1
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    building._cleared.clear()
    made = Building.beside(tmp_path / name, alone=True)
    assert hidden(tmp_path) == [made.folder.name]
    assert list(made.folder.iterdir()) == []


def test_what_was_being_replaced_is_put_back(tmp_path) -> None:
    left = tmp_path / f"{PREFIX}0123"
    (left / "replaced" / "result").mkdir(parents=True)
    (left / "replaced" / "result" / "precious").touch()
    (left / "replaced" / "there").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "newer").touch()
    Building.beside(tmp_path / "other").remove()
    assert (tmp_path / "result" / "precious").exists()
    assert (tmp_path / "there" / "newer").exists()
    assert hidden(tmp_path) == []


def test_what_another_holds_is_left(tmp_path) -> None:
    held = tmp_path / f"{PREFIX}held"
    held.mkdir()
    (held / "half").touch()
    lock = Lock(held)
    Building.beside(tmp_path / "other").remove()
    assert (held / "half").exists()
    lock.release()
    building._cleared.clear()
    Building.beside(tmp_path / "other").remove()
    assert not held.exists()


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch) -> None:
    held = tmp_path / f"{PREFIX}held"
    held.mkdir()
    monkeypatch.setattr(building, "fcntl", None)
    first, second = (Building.beside(tmp_path / "result", alone=True) for _ in range(2))
    assert first.folder != second.folder
    assert held.exists()
