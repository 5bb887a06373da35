"""What stands under a picture is what the picture is of: all pictures of all results drawn again.

A picture carries of what it is, its caption is made from that. Here each is drawn once more from
nothing but that and the result's own numbers.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rlvis import explain, features
from rlvis.attribution.panel import panel_rows
from rlvis.attribution.predictions import Prediction, Predictions
from rlvis.display.numbers import written
from rlvis.display.overlays import grey, limit, overlay, resize_picture
from rlvis.display.shown import Shown
from rlvis.display.theme import fit, length, typeset
from rlvis.display.tiles import Matrix, Tile, greys
from rlvis.features.projection.figure import over_each_other
from rlvis.features.synthesis.visualization import as_picture
from rlvis.images.frames import picture_of
from tests.test_results import FOUR, IMAGES, LABELS, RESULTS, model


def tiles_of(result: Any) -> Iterator[tuple[str, Tile]]:
    """All pictures of a page, those that stand beside others, too, with what stands over them."""
    page = result.page()
    rows = page.rows if hasattr(page, "rows") else panel_rows(page.explanations, page.scale)
    for row in rows:
        for part in (row, *row.beside):
            for tile in part.tiles:
                if not isinstance(tile, Matrix):
                    yield " ".join([row.heading, part.heading, part.note, *titles(result)]), tile


def cut(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    top, left, bottom, right = box
    return image[top:bottom, left:right]


def explanation(result: Any, shows: Shown) -> np.ndarray:
    why = result if hasattr(result, "method") else result[shows.method]
    number = int(shows.image.removeprefix("image "))
    return why.overlay()[number, why.targets[number].index(shows.target)]


def filters(result: Any, shows: Shown) -> np.ndarray:
    kernel = result.weights[shows.unit]
    chosen = kernel.transpose(1, 2, 0) if shows.channel is None else kernel[shows.channel]
    return greys(chosen, np.abs(result.weights).max(), True)


def maps(result: Any, shows: Shown) -> np.ndarray:
    return greys(result.maps[shows.unit], np.abs(result.maps).max(), (result.maps < 0).any())


def number_of(title: str) -> int:
    return int(title.partition(":")[0])


def patches(result: Any, shows: Shown) -> np.ndarray:
    found = getattr(result, "exemplars" if shows.what else "patches", result).layer(shows.layer)
    rank = found.images[shows.unit].tolist().index(number_of(shows.image))
    assert written(found.values[shows.unit, rank]) in "".join(shows.values.values())
    picture = IMAGES.picture(number_of(shows.image))
    return cut(picture, found.boxes[shows.unit, rank])


def projections(result: Any, shows: Shown) -> np.ndarray:
    found = result.get(shows.layer) if hasattr(result, "get") else result
    place = found.units.tolist().index(shows.unit)
    assert shows.values == {"activation": written(found.activations[place])}
    return over_each_other(found.image, found.maps[place])


def projected_patches(result: Any, shows: Shown) -> np.ndarray:
    table = result.table()
    wanted = shows.layer, shows.unit, shows.image
    (place,) = (
        place
        for place, row in enumerate(zip(table["layer"], table["unit"], table["title"], strict=True))
        if row == wanted
    )
    assert shows.values == {"": written(table["activation"][place])}
    return over_each_other(IMAGES.picture(number_of(shows.image)), result.arrays()["maps"][place])


def synthesis(result: Any, shows: Shown) -> np.ndarray:
    assert result.objective == shows.target
    place = [written(value, 4) for value in result.values].index(shows.values["value"])
    return as_picture(result.images[place])


def dream(result: Any, shows: Shown) -> np.ndarray:
    return result.arrays()[{"before": "before", "the dream": "after"}[shows.what]]


def kernel(result: Any, shows: Shown) -> np.ndarray:
    arrays = result.arrays()
    if shows.what == "input":
        return arrays["image"]
    if shows.what == "result":
        return arrays["result"].clip(0, 255).round().astype(np.uint8)
    return greys(arrays["kernel"], np.abs(arrays["kernel"]).max(), True)


def seen(result: Any, shows: Shown) -> np.ndarray:
    recording = getattr(result, "recording", None) or result._recording
    return picture_of(recording.episode(shows.episode).observations[shows.step], 1)


def compared(result: Any, shows: Shown) -> np.ndarray:
    (pair,) = (each for each in result.pairs if each.number == shows.episode)
    image = pair.first.observations[shows.step]
    if not shows.by:
        return image
    both = [explain(each, image, shows.method, shows.target) for each in result.policies]
    heats = [each.heatmaps[0, 0] for each in both]
    heat = heats[result.names.index(shows.by)]
    return overlay(grey(image), heat, max(map(limit, heats)), signed=True)


TRUTH: dict[str, Callable[[Any, Shown], np.ndarray]] = {
    "explanation": explanation,
    "explanations": explanation,
    "filters": filters,
    "filters by channel": filters,
    "maps": maps,
    "kernel": kernel,
    "patches": patches,
    "units": patches,
    "projections": projections,
    "layers": projections,
    "projected patches": projected_patches,
    "synthesis": synthesis,
    "dream": dream,
    "episodes": seen,
    "moments": seen,
    "comparison": compared,
}
"""What a picture of each result must be."""


@pytest.mark.parametrize("name", TRUTH)
def test_pictures_are_of_what_they_say(name) -> None:
    result = RESULTS[name]()
    tiles = [tile for _, tile in tiles_of(result) if identified(tile.shows)]
    tiles = [tile for tile in tiles if tile.shows.what != "their difference"]
    truths = [TRUTH[name](result, tile.shows) for tile in tiles]
    assert len(tiles) > 1
    for place, tile in enumerate(tiles):
        distances = [distance(tile.picture, truth) for truth in truths]
        assert distances[place] < (0.12 if name.startswith("explanation") else 0.02)
        assert distances[place] <= min(distances) + 1e-9


def identified(shows: Shown) -> bool:
    """Whether it tells a picture from others; "the image" of a heading is only that."""
    return any(key for key in shows.facts if key not in ("model", "layer")) or bool(shows.values)


def distance(drawn: np.ndarray, expected: np.ndarray) -> float:
    """How unlike two pictures are, 0 to 1, the one made as large as the other."""
    if expected.ndim == 2 and drawn.ndim == 3:
        expected = np.repeat(expected[..., None], 3, axis=2)
    height, width = drawn.shape[:2]
    expected = resize_picture(expected.squeeze(), width, height)
    return float(np.abs(drawn.squeeze().astype(float) - expected).mean() / 255)


@pytest.mark.parametrize("name", RESULTS)
def test_captions_say_all_that_tells_pictures_apart(name) -> None:
    """In the caption, or for all pictures of a row in its heading, or for all in the title."""
    result = RESULTS[name]()
    html = result.html()
    for over, tile in tiles_of(result):
        shows = tile.shows
        assert tile.caption == shows.caption
        for fact, words in shows.facts.items():
            said = over if fact in ("model", "layer", *shows.headed) else " ".join(tile.caption)
            words = words.removeprefix("labelled ")
            assert words.removeprefix(f"{fact} ") in said, (fact, words, said)
        for value in shows.values.values():
            assert value in " ".join(tile.caption)
        for line in tile.caption:
            assert escape(typeset(line)) in html


def titles(result: Any) -> list[str]:
    page = result.page()
    if hasattr(page, "title"):
        return [page.title, *page.lines]
    return [each.model for each in page.explanations]


def test_a_caption_is_made_from_what_is_shown() -> None:
    shows = Shown(
        predicted="mild 86%",
        label="no DR",
        method="cam",
        target="mild",
        unit=3,
        episode=1,
        step=7,
        values={"": "1,210", "area": "0.95"},
        image="a.png",
        notes=["weak"],
    )
    assert shows.caption == [
        *("mild 86%", "labelled no DR", "cam of mild", "unit 3", "episode 1, step 7"),
        *("1,210, area 0.95", "a.png", "weak"),
    ]
    without = replace(shows, headed=("method", "episode"))
    assert without.caption[2:5] == ["mild", "unit 3", "step 7"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1208.4, "1,210"),
        (1.44e3, "1,440"),
        (123456.7, "123,000"),
        (9.996, "10"),
        (0.12345, "0.123"),
        (-0.5, "-0.5"),
        (0, "0"),
        (-0.0, "0"),
        (1e-4, "0.0001"),
        (3.21e-6, "3.21e-06"),
        (2e9, "2e+09"),
        (123456789.0, "123,000,000"),
        (float("nan"), "not a number"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_are_written_in_one_way(value, text) -> None:
    assert written(value) == text


NUMBER = re.compile(r"[-+−]?\d[\d.,]*\d(?:e[-+−]?\d+)?|\d")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["activation", "unit", "area of", "π", "conv2_", "a/b"]), max_size=4),
    st.lists(st.floats(-1e12, 1e12).map(written), min_size=1, max_size=4),
    st.integers(10, 260),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_what_is_cut_are_words_and_never_digits(words, numbers, width, share) -> None:
    text = " ".join(part for pair in zip_longest(words, numbers, fillvalue="") for part in pair)
    short = fit(text.strip(), width, 13, share=share)
    assert length(short, 13) <= width or short == "…"
    kept = NUMBER.findall(short)
    whole = NUMBER.findall(text)
    assert all(each in whole for each in kept), (text, short)


def test_words_are_cut_before_numbers() -> None:
    for width in (60, 80, 100):
        for share in (0.0, 0.5, 1.0):
            cut = fit("activation 1,440", width, 13, share=share)
            assert cut.endswith(" 1,440")
            assert length(cut, 13) <= width
    assert fit("episode 12, step 345 of 0-678", 120, 13).count("…") >= 1
    assert fit("1,440", 12, 13) == "…"
    assert fit("1.44e+03 and 17", 85, 13) == "1.44e+03 …"


def test_thumbnails_show_the_map_that_their_caption_names() -> None:
    """The map of the predicted label where it was explained, else the first target's."""
    for targets in (["a", "b & c", "<i>"], ["<i>", "b & c", "a"], ["a"], ["<i>"], ["b & c"]):
        for image in FOUR:
            why = explain(model(), image, "cam", targets)
            found = Prediction.of("x.png", why, thumbnail=True)
            tile = Predictions("m", [found]).page().rows[0].tiles[0]
            assert tile.shows.target == (
                found.predicted if found.predicted in targets else targets[0]
            )
            assert tile.shows.predicted.startswith(found.predicted)
            candidates = why.overlay()[0]
            half = tile.picture[:, tile.picture.shape[1] // 2 :]
            unlike = [distance(half, each) for each in candidates]
            assert targets[int(np.argmin(unlike))] == tile.shows.target


def test_the_patch_under_a_class_is_of_that_class() -> None:
    """Of the image of the class that its best unit answers to most, in every layer."""
    found = RESULTS["units"]()
    for layer, units in found.layers.items():
        (row,) = [row for row in found.page(layer).rows if "best from the rest" in row.heading]
        assert [tile.shows.what for tile in row.tiles] == list(LABELS)
        for place, tile in enumerate(row.tiles):
            number = number_of(tile.shows.image)
            assert IMAGES.labels[number] == place
            answers = units.peak_activations[:, tile.shows.unit]
            assert tile.shows.unit == units.roc_auc[:, place].argmax()
            assert answers[number] == answers[IMAGES.labels == place].max()
            assert written(answers[number]) in tile.shows.values["area"]


def test_patches_of_a_unit_say_which_class_they_are_of() -> None:
    """In their title, or where that has none beside it, as for files in folders."""
    found = RESULTS["units"]()
    for units in found.layers.values():
        for row in found.page(units.layer, most=3).rows:
            for tile in row.tiles:
                if "unit" in row.heading and not isinstance(tile, Matrix) and tile.shows.headed:
                    label = LABELS[IMAGES.labels[number_of(tile.shows.image)]]
                    assert tile.shows.image.endswith(f": {label}")


def test_patches_of_folders_say_which_class_they_are_of(tmp_path) -> None:
    for number in range(12):
        folder = tmp_path / LABELS[IMAGES.labels[number]].strip("<>")
        folder.mkdir(exist_ok=True)
        Image.fromarray(IMAGES.picture(number)).save(folder / f"{number}.png")
    found = features.units(model(), features.FolderImages(tmp_path), ["3"], 3)
    rows = [row for row in found.page().rows if row.heading.startswith("unit ")]
    assert rows
    for row in rows:
        for tile in row.tiles:
            assert isinstance(tile, Tile)
            number = int(tile.shows.image.removesuffix(".png"))
            assert tile.shows.label == LABELS[IMAGES.labels[number]].strip("<>")
            assert tile.caption[0] == tile.shows.label
