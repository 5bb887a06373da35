"""Files: whole or not at all, in places checked first, and never more memory than was meant."""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from rlvis import InputError
from rlvis.features.image_sets.image_set import open_images
from rlvis.file_kinds import save_arrays
from rlvis.files import (
    check_packing,
    check_writable,
    read_arrays,
    read_regular,
    writing,
)
from rlvis.zoo.state_dict import load_weights
from tests.complaints import complaint

KINDS = {".txt": "text"}


def write(path: Path, text: str = "new") -> None:
    with writing(path, KINDS) as (temporary, _):
        temporary.write_text(text)


def place_that_cannot_be(folder: Path, which: str) -> Path:
    if which == "inside a file":
        (folder / "file").write_text("")
        return folder / "file" / "x.txt"
    if which == "a folder":
        (folder / "x.txt").mkdir()
    elif which == "a pipe":
        os.mkfifo(folder / "x.txt")
    elif which == "a circle of links":
        (folder / "x.txt").symlink_to(folder / "y.txt")
        (folder / "y.txt").symlink_to(folder / "x.txt")
    elif which == "too long":
        return folder / ("x" * 300 + ".txt")
    elif which == "a device":
        (folder / "x.txt").symlink_to("/dev/null")
    elif which == "in /proc":
        return Path("/proc/x/y.txt")
    elif which == "without a known ending":
        return folder / "x.exe"
    return folder / "x.txt"


@pytest.mark.parametrize(
    "which",
    [
        "inside a file",
        "a folder",
        "a pipe",
        "a circle of links",
        "too long",
        "a device",
        "in /proc",
        "without a known ending",
    ],
)
def test_where_nothing_can_be_written_is_said_before_and_after_the_work(tmp_path, which) -> None:
    path = place_that_cannot_be(tmp_path, which)
    before = sorted(tmp_path.rglob("*"))
    for attempt in (lambda: check_writable(path, KINDS), lambda: write(path)):
        with pytest.raises(InputError, match="cannot write") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_symbolic_link_is_followed(tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real.txt", tmp_path / "x.txt"
    link.symlink_to(target)
    write(link)
    write(link, "newer")
    assert link.is_symlink()
    assert target.read_text() == "newer"


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path) -> None:
    write(tmp_path / "x.txt", "old")

    def fill_the_disk() -> None:
        with writing(tmp_path / "x.txt", KINDS) as (temporary, _):
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(InputError, match="the disk is full"):
        fill_the_disk()
    assert [each.name for each in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_names_as_long_as_they_may_be_are_written(tmp_path) -> None:
    write(tmp_path / ("x" * 251 + ".txt"))


@pytest.mark.parametrize("name", ["x.npz", "x.safetensors"])
def test_arrays_are_written_and_read(tmp_path, name) -> None:
    numbers, names = np.arange(12.0).reshape(3, 4), np.array(["a", "ü"])
    path = save_arrays(tmp_path / name, numbers=numbers, names=names)
    if name == "x.npz":
        read = read_arrays(path)
        np.testing.assert_array_equal(read["numbers"], numbers)
        np.testing.assert_array_equal(read["names"], names)


def test_zips_that_would_fill_the_memory_are_refused(tmp_path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=np.zeros((600, 1000, 1000), np.uint8))
    assert path.stat().st_size < 2**20
    with pytest.raises(InputError, match="unpacks to more"):
        read_arrays(path, limit=2**28)
    with pytest.raises(InputError, match="as weights never do"):
        check_packing(path)


def test_weights_that_would_fill_the_memory_are_refused(tmp_path) -> None:
    torch.save({"weight": torch.zeros(2**22)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(InputError, match="as weights never do"):
        load_weights(torch.nn.Linear(2, 2), tmp_path / "x.pt")


def forged(path: Path, header: str, data: bytes = b"\0" * 64) -> Path:
    text = header.encode().ljust(117) + b"\n"
    body = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", body)
    return path


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000, 1000, 3)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-64,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (8,)}",
        "{'descr': '|V8', 'fortran_order': False, 'shape': (8,)}",
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (8,)}",
        "{'descr': '|u1', 'fortran_order': False}",
        "__import__('os').system('false')",
        "[" * 90,
    ],
)
def test_arrays_whose_headers_lie_are_refused(tmp_path, header) -> None:
    with pytest.raises(InputError, match="no readable arrays"):
        open_images(forged(tmp_path / "x.npz", header))


@pytest.mark.parametrize(
    "labels",
    [[0, 10**9], [0, -2], [0.5, 1.0], [[0], [1]], [0, 1, 2], ["a", "b"], [float("nan"), 0]],
)
def test_labels_that_cannot_be_are_refused(tmp_path, labels) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=np.zeros((2, 9, 9), np.uint8), labels=np.array(labels))
    with pytest.raises(InputError, match="labels"):
        open_images(path)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pt", "x"])
def test_pipes_are_refused_and_not_waited_for(tmp_path, name) -> None:
    os.mkfifo(tmp_path / name)
    for read in (open_images, lambda path: load_weights(torch.nn.Linear(2, 2), path)):
        with pytest.raises(InputError, match="a device, a pipe or a socket"):
            read(tmp_path / name)


def test_endless_files_are_read_no_further_than_meant(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 1001)
    with pytest.raises(InputError, match="larger than"):
        read_regular(tmp_path / "x", 1000)
    assert len(read_regular(tmp_path / "x", 1001)) == 1001
    with pytest.raises(InputError, match="a device"):
        read_regular("/dev/zero", 1000)
    with pytest.raises(InputError, match="cannot be read"):
        read_regular("a\0b", 1000)


@pytest.mark.parametrize("damage", ["cut", "bits", "text"])
def test_damaged_arrays_are_one_line(tmp_path, damage) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=np.random.default_rng(0).integers(0, 255, (4, 9, 9), np.uint8))
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(80):
        data = bytearray(whole)
        if damage == "cut":
            data = data[: rng.integers(len(data))]
        elif damage == "bits":
            for place in rng.integers(0, len(data), 4):
                data[place] ^= 1 << rng.integers(8)
        else:
            data = bytearray(b"no arrays at all")
        path.write_bytes(bytes(data))
        assert "\n" not in complaint(lambda: open_images(path))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path

import numpy as np
from PIL import Image

from rlvis import InputError
from rlvis.display.video_file import film_writer
from rlvis.file_kinds import save_arrays, save_as, save_picture

noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)


def film(path):
    with film_writer(path, 10) as write:
        for _ in range(6):
            write(noise)


WRITERS = {
    **dict.fromkeys(("x.mp4", "x.gif"), film),
    **dict.fromkeys(
        ("x.png", "x.jpg", "x.webp", "x.pdf"),
        lambda path: save_picture(Image.fromarray(noise), path),
    ),
    **dict.fromkeys(("x.npz", "x.safetensors"), lambda path: save_arrays(path, noise=noise)),
    "x.html": lambda path: save_as(path, {"html": lambda: "text " * 5000}),
    "x.csv": lambda path: save_as(path, {"table": lambda: {"number": range(5000)}}),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for name, write in WRITERS.items():
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    write(Path(name))
    size = Path(name).stat().st_size
    Path(name).unlink()
    for limit in (0, 1, 40, size // 2, size - 40, size - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            write(Path(name))
        except InputError as error:
            assert "cannot write" in str(error) and not list(Path().iterdir())
        else:
            raise AssertionError(f"{name} of {size} bytes was written with room for {limit}")
"""


def test_a_full_disk_is_one_line_for_every_kind_of_file(tmp_path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("header", ["[" * 90, "{'descr': '|O', 'shape': (8,)}", "'''", "\x00" * 50])
def test_a_file_of_one_array_whose_header_is_none_is_one_line(tmp_path, header) -> None:
    text = header.encode().ljust(117) + b"\n"
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 64)
    with pytest.raises(InputError, match="holds no array of images"):
        open_images(path)
