"""The picture of the rooms is that of the code."""

from importlib import import_module

from scripts.draw_rooms import PICTURE, ROOMS, WAYS, draw, imports


def test_the_picture_is_up_to_date() -> None:
    assert PICTURE.read_text() == draw(), "run: python -m scripts.draw_rooms"


def test_rooms_import_from_below_only() -> None:
    pairs = imports()
    assert ("rollouts", "attribution") in pairs
    assert {pair for pair in pairs if ROOMS.index(pair[0]) > ROOMS.index(pair[1])} == set()


def test_what_the_data_passes_is_there() -> None:
    for way in WAYS:
        for module, name, _ in way:
            found = import_module(f"rlvis.{module}")
            assert not name or hasattr(found, name), (module, name)
