"""Arrays in parts: Zarr reads what is written, and what Zarr writes is read."""

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import Crc32cCodec, ZstdCodec

from rlvis.rollouts import background as background_module
from rlvis.rollouts.background import Background
from rlvis.rollouts.film.shown_maps import _Quantile
from rlvis.rollouts.number_table import NumberTable, read_columns
from rlvis.rollouts.store import Folder, Memory
from rlvis.rollouts.zarr_array import GrowingArray, StoredArray

KINDS = ["uint8", "bool", "int64", "float32", "float64", "uint16"]


def numbers(shape: tuple[int, ...], kind: str = "uint8") -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random(shape) * 200).astype(kind)


def written(place, rows: np.ndarray, step: int = 7) -> StoredArray:
    array = GrowingArray(place, [f"axis_{n}" for n in range(rows.ndim - 1)])
    for start in range(0, len(rows), step):
        array.append(rows[start : start + step])
    array.close()
    return StoredArray(place, ValueError)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1,), (50,), (40, 3), (90, 100, 130), (3, 2000, 700), (5, 0)])
def test_zarr_reads_what_is_written(tmp_path, kind, shape) -> None:
    rows = numbers(shape, kind)
    stored = written(Folder(tmp_path / "a"), rows)
    found = zarr.open_array(str(tmp_path / "a"), mode="r", zarr_format=3)
    np.testing.assert_array_equal(np.asarray(found[...]), rows)
    np.testing.assert_array_equal(stored[:], rows)
    assert found.dtype == stored.dtype == rows.dtype
    assert found.metadata.dimension_names[0] == "time"
    np.testing.assert_array_equal(written(Memory(), rows)[:], rows)


@pytest.mark.parametrize("chunks", [(4, 5, 6), (20, 30, 40), (3, 30, 7), (1, 1, 40)])
def test_what_zarr_writes_is_read(tmp_path, chunks) -> None:
    rows = numbers((20, 30, 40), "float32")
    zarr.create_array(
        str(tmp_path / "a"), data=rows, chunks=chunks, compressors=[ZstdCodec(), Crc32cCodec()]
    )
    np.testing.assert_array_equal(StoredArray(Folder(tmp_path / "a"), ValueError)[:], rows)


@given(st.slices(90))
def test_slices_are_those_of_numpy(part) -> None:
    rows = numbers((90, 100, 130))
    stored = written(Memory(), rows)
    np.testing.assert_array_equal(stored[part], rows[part])
    np.testing.assert_array_equal(stored[-1], rows[-1])


def test_memory_does_not_grow_with_an_array(tmp_path) -> None:
    def peak(rows: int) -> int:
        array = GrowingArray(Folder(tmp_path / str(rows)), ["x"])
        block = numbers((16, 2**14))
        tracemalloc.start()
        for _ in range(rows // 16):
            array.append(block)
        array.close()
        stored = StoredArray(Folder(tmp_path / str(rows)), ValueError)
        for start in range(0, rows, 16):
            assert len(stored[start : start + 16]) == 16
        stored.check()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(6400) < 1.2 * peak(640) < 2**23


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.5, 0.9, 0.995, 1.0]),
)
def test_a_quantile_in_parts_is_that_of_all(sizes, share) -> None:
    rng = np.random.default_rng(sum(sizes))
    parts = [rng.exponential(size=size).astype(np.float32).round(1) for size in sizes]
    together = np.concatenate(parts)
    quantile = _Quantile(len(together), share)
    for part in parts:
        quantile.add(part)
    expected = np.quantile(together, share) if len(together) else 0.0
    assert quantile.value == pytest.approx(expected, rel=1e-6)


def test_a_table_keeps_what_every_step_has() -> None:
    table = NumberTable()
    first = {
        "whole": np.array([1, 2]),
        "flag": np.array([True, False]),
        "pair": np.array([[1.5, 2.5], [3.5, 4.5]], np.float32),
        "gone": np.array([1, 2]),
        "turned": np.array([1, 2]),
    }
    then = {
        "whole": np.array([3.5]),
        "flag": np.array([True]),
        "pair": np.array([[5.5, 6.5]], np.float32),
        "turned": np.array([[1, 2]]),
        "new": np.array([1]),
    }
    rows = np.concatenate([table.rows(first, 2), table.rows(then, 1)])
    columns = read_columns(table.record())
    assert list(columns) == ["whole", "flag", "pair"]
    assert {name: each.kind.name for name, each in columns.items()} == {
        "whole": "float64",
        "flag": "bool",
        "pair": "float32",
    }
    np.testing.assert_array_equal(rows[:, columns["whole"].place][:, 0], [1, 2, 3.5])
    np.testing.assert_array_equal(rows[:, columns["pair"].place][2], [5.5, 6.5])


def test_work_beside_is_done_in_order_and_its_errors_arrive() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.001)
        if number == 30:
            raise OSError(28, "full")
        done.append(number)

    submitted, threads = 0, torch.get_num_threads()
    with pytest.raises(OSError, match="full"), Background(lambda: None) as background:  # noqa: PT012
        for number in range(1000):
            background.submit(work, number, size=2**22)
            submitted = number
    assert done == list(range(30))
    assert submitted < 60
    assert torch.get_num_threads() == threads
    with pytest.raises(OSError, match="full"), Background(lambda: None) as background:
        background.submit(work, 30)


def test_what_was_submitted_is_done_where_the_caller_fails() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), Background(lambda: None) as background:  # noqa: PT012
        for number in range(10):
            background.submit(done.append, number)
        raise KeyboardInterrupt
    assert done == list(range(10))


def test_ctrl_c_while_waiting_ends_what_was_begun_and_closes(monkeypatch) -> None:
    done: list[Any] = []
    presses = iter([KeyboardInterrupt, KeyboardInterrupt, None])
    wait = background_module.wait

    def interrupted(futures: Any) -> None:
        press = next(presses)
        if press:
            raise press
        wait(futures)

    def work(number: int) -> None:
        time.sleep(0.2)
        done.append(number)

    monkeypatch.setattr(background_module, "wait", interrupted)
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        Background(lambda: done.append("closed")) as background,
    ):
        for number in range(4):
            background.submit(work, number)
        time.sleep(0.1)
    assert done == [0, "closed"]
