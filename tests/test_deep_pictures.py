"""Pictures of more than 8 bits in every container, beside tifffile, OpenCV and what was written."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from torch import nn

from rlvis import ImageModel, InputError, Preprocess, explain
from rlvis.attribution.panel_parts import seen_notes
from rlvis.errors import Notice
from rlvis.images.depth import find_window
from rlvis.images.loading import as_images, load_image, reductions
from tests.complaints import complaint

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 70, 90
TILES = {"tile": (32, 48)}


def levels(kind: str, samples: int = 1) -> np.ndarray:
    """Random levels over the whole range of a kind of number."""
    shape = (HEIGHT, WIDTH) if samples == 1 else (HEIGHT, WIDTH, samples)
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return (RNG.random(shape) * 300 - 100).astype(dtype)
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def read(path: Path, window: tuple[float, float] | None = None) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        return np.asarray(load_image(path, window))


def seen(values: np.ndarray) -> np.ndarray:
    """Levels in 8 bits, through the window that is found for them."""
    low, high = find_window(values)
    shown = ((values.astype(np.float64) - low) / (high - low) * 255).clip(0, 255)
    return np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown


def test_a_level_that_a_grey_png_calls_clear_is_white(tmp_path) -> None:
    grey = np.full((8, 8), 30000, np.uint16)
    grey[:2] = 512
    grey[7] = 60000
    path = tmp_path / "x.png"
    Image.fromarray(grey).save(path, transparency=512)
    shown = read(path)
    assert (shown[:2] == 255).all()
    assert (shown[2] < shown[7]).all()


def test_a_large_tiff_in_big_endian_order_is_refused(tmp_path) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.zeros((4, 4), np.uint16), bigtiff=True, byteorder=">")
    assert "big-endian order is not read" in complaint(lambda: load_image(path))


KINDS = ("uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64")
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 9},
    "tiles": TILES,
    "big endian": {"byteorder": ">"},
    "big endian tiles": {"byteorder": ">", **TILES},
    "deflate": {"compression": "zlib"},
    "deflate tiles": {"compression": "zlib", **TILES},
    "big": {"bigtiff": True},
    "predictor": {"compression": "zlib", "predictor": True, "rowsperstrip": 16},
    "predictor tiles": {"compression": "zlib", "predictor": True, **TILES},
}


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_of_a_tiff_is_what_tifffile_reads(tmp_path, kind, layout, planes) -> None:
    path, how = tmp_path / "x.tif", LAYOUTS[layout]
    if "predictor" in layout and kind.startswith("float"):
        pytest.skip("tifffile does not write it alone; see below")
    for samples in (1, 3):
        written = levels(kind, samples)
        turned = written.transpose(2, 0, 1) if planes == "separate" and samples == 3 else written
        photometric = "rgb" if samples == 3 else "minisblack"
        config = {"planarconfig": planes} if samples == 3 else {}
        tifffile.imwrite(path, turned, photometric=photometric, **how, **config)
        reference = tifffile.imread(path)
        np.testing.assert_array_equal(reference, turned)
        np.testing.assert_allclose(read(path), seen(written), atol=0.51)


def test_lzw_is_what_opencv_and_pillow_write(tmp_path) -> None:
    colours, grey = levels("uint16", 3), levels("uint16")
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW]
    cv2.imwrite(str(tmp_path / "c.tif"), colours[..., ::-1], lzw)
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert file.pages[0].compression == 5
    np.testing.assert_allclose(read(tmp_path / "c.tif"), seen(colours), atol=0.51)
    for compression in ("tiff_lzw", "packbits", "tiff_adobe_deflate"):
        Image.fromarray(grey).save(tmp_path / "g.tif", compression=compression)
        np.testing.assert_allclose(read(tmp_path / "g.tif"), seen(grey), atol=0.51)
    cv2.imwrite(str(tmp_path / "f.tif"), levels("float32", 3)[..., ::-1], lzw)
    reference = by_opencv(tmp_path / "f.tif")
    np.testing.assert_allclose(read(tmp_path / "f.tif"), seen(reference), atol=0.51)


def by_opencv(path: Path) -> np.ndarray:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found[..., ::-1] if found.ndim == 3 else found


def test_white_is_zero(tmp_path) -> None:
    for kind, most in (("uint16", 65535), ("uint32", 2**32 - 1)):
        written = levels(kind)
        tifffile.imwrite(tmp_path / "x.tif", written, photometric="miniswhite")
        np.testing.assert_allclose(read(tmp_path / "x.tif"), seen(most - written), atol=0.51)


def test_palettes_of_sixteen_bits(tmp_path) -> None:
    colours = RNG.integers(0, 65536, (3, 65536)).astype(np.uint16)
    written = levels("uint16")
    tifffile.imwrite(tmp_path / "x.tif", written, photometric="palette", colormap=colours)
    expected = seen(np.moveaxis(colours[:, written], 0, -1))
    np.testing.assert_allclose(read(tmp_path / "x.tif"), expected, atol=0.51)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_opacity_is_laid_over_white(tmp_path, samples, kind) -> None:
    written = levels("uint16", samples + 1)
    written[0, 0, :samples] = 65535
    written[0, 0, samples] = 65535
    colours, share = written[..., :samples].astype(float), written[..., samples:] / 65535
    stored = written.copy()
    if kind == "assocalpha":
        stored[..., :samples] = np.rint(colours * share)
    photometric = "rgb" if samples == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric=photometric, extrasamples=[kind])
    expected = share * colours / 257 + (1 - share) * 255
    np.testing.assert_allclose(
        read(tmp_path / "x.tif"), np.broadcast_to(expected, (HEIGHT, WIDTH, 3)), atol=1.51
    )


def test_unspecified_extra_samples_are_no_opacity(tmp_path) -> None:
    written = levels("uint16", 5)
    tifffile.imwrite(
        tmp_path / "x.tif", written, photometric="rgb", extrasamples=["unspecified"] * 2
    )
    np.testing.assert_allclose(read(tmp_path / "x.tif"), seen(written[..., :3]), atol=0.51)


def test_inks_of_sixteen_bits_are_as_pillows_of_eight(tmp_path) -> None:
    inks = levels("uint16", 4)
    tifffile.imwrite(tmp_path / "x.tif", inks, photometric="separated")
    shallow = Image.fromarray((inks >> 8).astype(np.uint8), "CMYK").convert("RGB")
    np.testing.assert_allclose(read(tmp_path / "x.tif"), np.asarray(shallow), atol=3)


def test_only_the_first_page_is_read(tmp_path) -> None:
    pages = [levels("uint16"), levels("uint16")]
    tifffile.imwrite(tmp_path / "x.tif", np.stack(pages), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert len(file.pages) == 2
    np.testing.assert_allclose(read(tmp_path / "x.tif"), seen(pages[0]), atol=0.51)


def written_by_hand(data: bytes, tags: dict[int, int], order: str = "<") -> bytes:
    """A TIFF of one strip."""
    data += b"\0" * (len(data) % 2)
    tags = {259: 1, 273: 8, 278: tags[257], 279: len(data), **tags}
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(data))
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return head + data + struct.pack(order + "H", len(tags)) + entries + b"\0" * 4


def packed(values: np.ndarray, bits: int, order: str = "<", **more: int) -> bytes:
    """A TIFF of samples of so many bits, the highest first, rows filled up."""
    height, width = values.shape[:2]
    samples = values.reshape(height, width, -1).shape[2]
    single = (values.reshape(height, -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    data = np.packbits(single.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    tags = {256: width, 257: height, 258: bits, 262: 2 if samples == 3 else 1, 277: samples}
    return written_by_hand(data, tags | {int(tag): value for tag, value in more.items()}, order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_differences_of_floats_are_what_libtiff_reads(tmp_path, kind, samples, order) -> None:
    """Bytes of one significance together, and differences of these: predictor 3."""
    values, path = levels(kind, samples), tmp_path / "x.tif"
    size = values.dtype.itemsize
    single = values.astype(values.dtype.newbyteorder(">")).reshape(HEIGHT, -1, 1).view(np.uint8)
    planes = single.reshape(HEIGHT, -1, size).transpose(0, 2, 1).reshape(HEIGHT, -1, samples)
    data = np.diff(planes, axis=1, prepend=np.uint8(0)).astype(np.uint8).tobytes()
    tags = {256: WIDTH, 257: HEIGHT, 258: 8 * size, 262: 2 if samples == 3 else 1, 277: samples}
    tags |= {259: 8, 279: len(zlib.compress(data)), 317: 3, 339: 3}
    path.write_bytes(written_by_hand(zlib.compress(data), tags, order))
    if kind != "float16":
        np.testing.assert_array_equal(by_opencv(path), values)
    np.testing.assert_allclose(read(path), seen(values), atol=0.51)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
def test_packed_samples(tmp_path, bits, samples, order) -> None:
    values = levels("uint16", samples)[:, :-3] >> (16 - bits)
    (tmp_path / "x.tif").write_bytes(packed(values.astype(np.uint32), bits, order))
    np.testing.assert_allclose(read(tmp_path / "x.tif"), seen(values), atol=0.51)


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"photometric": "cielab"}, "photometric interpretation 8"),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"], "kind": "float32"}, "opacity"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason(tmp_path, how, what) -> None:
    how = dict(how)
    samples = 4 if "extrasamples" in how else 3
    written = levels(how.pop("kind", "uint16"), samples)
    tifffile.imwrite(tmp_path / "x.tif", written, **how)
    with pytest.raises(InputError, match=f"x.tif: a TIFF with {what}.* is not read; save it"):
        load_image(tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        *((256, value) for value in (0, 10**6, 2**31)),
        *((257, value) for value in (0, 10**6, 2**31)),
        *((258, value) for value in (24, 40, 64, 200)),
        *((259, value) for value in (7, 6, 2, 99)),
        *((262, value) for value in (4, 6, 9, 32803)),
        *((273, value) for value in (10**6, 2**31)),
        *((277, value) for value in (2, 7, 60000)),
        *((278, value) for value in (0, 1, 7)),
        *((279, value) for value in (0, 5)),
        *((317, value) for value in (3, 4)),
        *((339, value) for value in (5, 6, 17)),
    ],
)
def test_tags_that_fit_nothing_are_refused(tmp_path, tag, value) -> None:
    whole = packed(levels("uint16").astype(np.uint32), 16)
    damaged = packed(levels("uint16").astype(np.uint32), 16, **{str(tag): value})
    assert whole != damaged
    (tmp_path / "x.tif").write_bytes(damaged)
    with pytest.raises(InputError):
        load_image(tmp_path / "x.tif")


def test_a_file_that_ends_early_is_refused(tmp_path) -> None:
    for layout in ("strips", "tiles", "deflate tiles"):
        tifffile.imwrite(
            tmp_path / "x.tif", levels("uint16", 3), photometric="rgb", **LAYOUTS[layout]
        )
        whole = (tmp_path / "x.tif").read_bytes()
        (tmp_path / "x.tif").write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(InputError):
            load_image(tmp_path / "x.tif")


@pytest.mark.parametrize("name", ["x.png", "x.ppm", "x.pgm", "x.jp2", "x.tif"])
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_what_opencv_writes_with_sixteen_bits(tmp_path, name, samples) -> None:
    if (samples == 4 and name != "x.png") or (samples == 3) == (name == "x.pgm"):
        pytest.skip("not a picture of that kind")
    written = np.repeat(np.repeat(levels("uint16", samples), 2, axis=0), 2, axis=1)
    most = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if name == "x.jp2" else []
    stored = written if samples == 1 else written[..., [2, 1, 0, 3][:samples]]
    assert cv2.imwrite(str(tmp_path / name), stored, most)
    expected = seen(written[..., :3] if samples > 1 else written)
    if samples == 4:
        share = written[..., 3:] / 65535
        expected = share * expected + (1 - share) * 255
    np.testing.assert_allclose(read(tmp_path / name), expected, atol=0.51 if samples < 4 else 1.51)
    if samples == 3:
        low, high = 1000.0, 9000.0
        shown = ((written - low) / (high - low) * 255).clip(0, 255)
        np.testing.assert_allclose(read(tmp_path / name, (low, high)), shown, atol=0.51)


def test_a_panel_says_that_its_picture_was_reduced(tmp_path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ImageModel(network, ["a", "b"], Preprocess((16, 16)))
    Image.fromarray(np.repeat(levels("uint8"), 30, axis=1)).save(tmp_path / "x.png")
    with pytest.warns(Notice, match="reduced"):
        why = explain(model, tmp_path / "x.png", "saliency")
    assert why.images.shape[2] == 2048
    assert "reduced from 2700×70" in seen_notes(why)
    assert "reduced from 2700×70" in why.html()


def test_pictures_that_are_reduced_are_told_of(tmp_path) -> None:
    """Those that the decoder makes smaller, too."""
    wide = np.repeat(levels("uint8")[:40], 60, axis=1)
    for name in ("x.png", "x.jpg"):
        Image.fromarray(wide).save(tmp_path / name)
        with (
            reductions() as sizes,
            pytest.warns(Notice, match=r"5400×40 pixels is reduced to 2048×15"),
        ):
            as_images(tmp_path / name)
        assert sizes == [(5400, 40)]
    tifffile.imwrite(tmp_path / "x.tif", np.repeat(levels("uint16")[:40], 60, axis=1))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        as_images(tmp_path / "x.tif")
    assert any("5400×40 pixels is reduced" in str(each.message) for each in told)
    with reductions() as sizes, warnings.catch_warnings():
        warnings.simplefilter("error")
        as_images(Image.fromarray(wide[:, :2048]))
    assert sizes == []
    with pytest.warns(Notice, match="5400×40 pixels is reduced"):
        as_images(Image.fromarray(wide))
