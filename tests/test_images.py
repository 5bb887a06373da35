"""Pictures of every kind become RGB; what is no picture is refused in one line."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import InputError, Preprocess, load_image
from rlvis.images import LARGEST_SIDE, as_images

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


def test_sixteen_bits_become_eight(tmp_path) -> None:
    levels = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    loaded = np.asarray(load_image(saved(tmp_path, Image.fromarray(levels), "x.png")))
    np.testing.assert_allclose(loaded[..., 0], levels / 257, atol=1)


def test_exif_turns_the_picture(tmp_path) -> None:
    picture = Image.fromarray(RED)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "x.jpg", exif=exif)
    assert load_image(tmp_path / "x.jpg").size == (20, 30)


def test_huge_pictures_are_reduced(tmp_path) -> None:
    path = saved(tmp_path, Image.new("RGB", (9000, 300)), "x.png")
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
        (RED.astype(np.float64), "no image"),
        (RED[:0], "no image"),
        ([RED, RED[:10]], "differ in size"),
        (42, "cannot take int"),
        ([], "cannot take list"),
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
