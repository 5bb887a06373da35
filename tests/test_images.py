"""Pictures of every kind become RGB; what is no picture is refused in one line."""

import io
import os
import socket
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from rlvis import InputError, Preprocess, load_image
from rlvis.errors import Notice
from rlvis.images.depth import find_window
from rlvis.images.loading import LARGEST_SIDE, as_images
from tests.complaints import complaint

RED = np.zeros((20, 30, 3), np.uint8) + np.array([200, 30, 40], np.uint8)


def saved(tmp_path: Path, picture: Image.Image, name: str) -> Path:
    picture.save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize(
    ("mode", "ending", "expected"),
    [
        ("RGB", "png", (200, 30, 40)),
        ("CMYK", "tiff", (200, 30, 40)),
        ("P", "png", (200, 30, 40)),
        ("L", "png", (82, 82, 82)),
        ("LA", "png", (82, 82, 82)),
        ("1", "png", (0, 0, 0)),
    ],
)
def test_modes(tmp_path, mode, ending, expected) -> None:
    picture = Image.fromarray(RED)
    if mode == "1":
        picture = Image.new("1", picture.size)
    elif mode == "P":
        picture = picture.quantize(4)
    else:
        picture = picture.convert("L").convert("LA") if mode == "LA" else picture.convert(mode)
    loaded = load_image(saved(tmp_path, picture, f"x.{ending}"))
    assert loaded.mode == "RGB"
    assert loaded.size == (30, 20)
    np.testing.assert_allclose(np.asarray(loaded)[3, 3], expected, atol=2)


def test_transparency_lies_over_white(tmp_path) -> None:
    picture = Image.new("RGBA", (20, 20), (255, 0, 0, 128))
    pixel = np.asarray(load_image(saved(tmp_path, picture, "x.png")))[0, 0]
    np.testing.assert_allclose(pixel, (255, 127, 127), atol=1)


SIXTEEN = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)


@pytest.mark.parametrize(
    ("levels", "window"),
    [
        (SIXTEEN, (0, 65535)),
        (SIXTEEN // 16, (0, 4095)),
        (SIXTEEN // 100, (0, 1023)),
        ((SIXTEEN // 16).astype(np.int32) - 1024, (-1024, 3071)),
        (SIXTEEN.astype(np.uint32) * 65537, (0, 2**32 - 1)),
        (SIXTEEN.astype(np.float32) / 100 - 300, (-300, 355.35)),
        (SIXTEEN.astype(np.float32) / 257, (0, 255)),
        ((SIXTEEN // 257).astype(np.int16), None),
        (SIXTEEN.astype(np.float32) / 65535, None),
        ((SIXTEEN // 257).astype(np.uint8), None),
    ],
)
@pytest.mark.parametrize("form", ["array", "tif"])
def test_every_depth_keeps_its_levels_and_tells_its_window(tmp_path, levels, window, form) -> None:
    if form == "tif":
        tifffile.imwrite(tmp_path / "x.tif", levels)
    given = levels if form == "array" else tmp_path / "x.tif"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        seen = as_images(given)[0, 0].numpy()
    low, high = window or (float(levels.min()), float(levels.max()))
    np.testing.assert_allclose(seen, (levels - float(low)) / (high - low) * 255, atol=0.51)
    notices = [str(each.message) for each in told if issubclass(each.category, Notice)]
    if window is None:
        assert not notices
    else:
        assert f"from {low:g} (black) to {high:g} (white)" in notices[0]


def test_colours_of_sixteen_bits_keep_their_levels(tmp_path) -> None:
    colours = np.random.default_rng(0).integers(0, 4001, (20, 30, 3)).astype(np.uint16)
    colours[0, 0] = 4000
    for name in ("x.png", "x.tif"):
        if name.endswith("png"):
            cv2.imwrite(str(tmp_path / name), colours[..., ::-1])
        else:
            tifffile.imwrite(tmp_path / name, colours, photometric="rgb")
        with pytest.warns(Notice, match="0 .black. to 4095"):
            seen = np.asarray(load_image(tmp_path / name))
        np.testing.assert_allclose(seen, colours / 4095 * 255, atol=0.51)


def test_signed_bytes_are_not_taken_for_unsigned_ones(tmp_path) -> None:
    levels = np.linspace(-100, 100, 400).astype(np.int8).reshape(20, 20)
    tifffile.imwrite(tmp_path / "x.tif", levels)
    with pytest.warns(Notice, match="-100 .black. to 100"):
        seen = np.asarray(load_image(tmp_path / "x.tif"))[..., 0]
    np.testing.assert_allclose(seen, (levels + 100.0) / 200 * 255, atol=0.51)


@pytest.mark.parametrize(
    ("low", "high", "window"),
    [
        (0, 0.5, (0, 1)),
        (0, 200, (0, 255)),
        (0, 255, (0, 255)),
        (0, 100, (0, 100)),
        (-1, 1, (-1, 1)),
    ],
)
def test_what_numbers_with_fractions_mean(low, high, window) -> None:
    assert find_window(np.linspace(low, high, 20, dtype=np.float32)) == window


def test_a_window_can_be_chosen() -> None:
    seen = as_images(SIXTEEN, window=(1000, 3000))[0, 0].numpy()
    expected = ((SIXTEEN.astype(float) - 1000) / 2000 * 255).clip(0, 255)
    np.testing.assert_allclose(seen, expected, atol=0.51)


@pytest.mark.parametrize("window", [(3, 3), (5, 1), (0, np.inf), (np.nan, 1), (1,), (1, 2, 3)])
def test_windows_that_are_none_are_refused(window) -> None:
    with pytest.raises(InputError, match="no window"):
        as_images(SIXTEEN, window=window)


def test_pictures_that_would_fill_the_memory_are_refused_before_they_are_read(tmp_path) -> None:
    path = saved(tmp_path, Image.new("L", (13000, 13000)), "x.png")
    assert path.stat().st_size < 2**20
    with pytest.raises(InputError, match="too many to read"):
        load_image(path)


def test_programs_in_pictures_are_not_run(tmp_path) -> None:
    """Pillow hands EPS to Ghostscript, an interpreter of programs."""
    saved(tmp_path, Image.fromarray(RED), "x.eps")
    with pytest.raises(InputError, match="is not a picture"):
        load_image(tmp_path / "x.eps")


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, kind) -> None:
    path = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    with pytest.raises(InputError, match="a device, a pipe or a socket"):
        load_image(path)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.gif", "x.webp", "x.tiff", "x.bmp"])
def test_damaged_pictures_are_one_line(tmp_path, name) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    whole = saved(tmp_path, Image.fromarray(noise), name).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 8):
            data[place] = rng.integers(256)
        (tmp_path / name).write_bytes(bytes(data[: rng.integers(1, len(data) + 1)]))
        assert "\n" not in complaint(lambda: load_image(tmp_path / name))


def test_exif_turns_the_picture(tmp_path) -> None:
    picture = Image.fromarray(RED)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "x.jpg", exif=exif)
    assert load_image(tmp_path / "x.jpg").size == (20, 30)


def test_huge_pictures_are_reduced(tmp_path) -> None:
    path = saved(tmp_path, Image.new("RGB", (9000, 300)), "x.png")
    with pytest.warns(Notice, match="9000×300 pixels is reduced to 2048×68"):
        assert load_image(path).size == (LARGEST_SIDE, round(300 * LARGEST_SIDE / 9000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no picture at all", "is not a picture"),
        (b"", "is not a picture"),
        ("truncated", "cannot be read as a picture"),
        ("1x1", "at least 8×8"),
        ("missing", "no file"),
        ("folder", "is a folder"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content, message) -> None:
    path = tmp_path / "x.png"
    if content == "truncated":
        buffer = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue()[:2000])
    elif content == "1x1":
        Image.new("RGB", (1, 1)).save(path)
    elif content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_image(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_batches_come_in_many_forms() -> None:
    tensor = as_images(RED)
    assert tensor.shape == (1, 3, 20, 30)
    assert tensor[0, :, 0, 0].tolist() == [200, 30, 40]
    assert torch.equal(as_images([RED, Image.fromarray(RED)]), torch.cat([tensor, tensor]))
    assert torch.equal(as_images(tensor), tensor)
    assert as_images(RED[..., 0]).shape == (1, 1, 20, 30)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (RED.astype(np.complex64), "no image"),
        (np.full((9, 9), np.nan), "NaN or infinity"),
        (np.full((9, 9), np.inf), "NaN or infinity"),
        (RED[:0], "no image"),
        ([RED, RED[:10]], "differ in size"),
        (42, "cannot take int"),
        ([], "no images given"),
        (torch.zeros(2, 2, dtype=torch.uint8), "no image"),
    ],
)
def test_wrong_images_are_refused(wrong, message) -> None:
    with pytest.raises(InputError, match=message):
        as_images(wrong)


def test_preprocess_crops_resizes_and_normalises() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[25:75, 75:125] = 255
    preprocess = Preprocess((10, 10), crop=0.5, mean=(0.5,), std=(0.25,))
    window = preprocess.window(100, 200)
    assert (window.top, window.left, window.height, window.width) == (25, 75, 50, 50)
    torch.testing.assert_close(preprocess(as_images(picture)), torch.full((1, 3, 10, 10), 2.0))
