"""Masks and pictures that an audit of a classifier is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rlvis import Audit, AuditPlan, ImageModel, InputError, Preprocess, audit_classifier

PLAN = AuditPlan(frames=12, methods=("saliency",), quick=True)
HALF = np.pad(np.ones((48, 20), np.uint8), ((0, 0), (0, 44)))


def network(size: tuple[int, int] = (24, 32)) -> ImageModel:
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)
    module = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
    return ImageModel(module, ["one", "other"], Preprocess(size=size))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder, lot = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(12):
        ground = lot.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(ground).save(folder / f"p{number}.png")
    return folder


@pytest.fixture
def audited(pictures, tmp_path) -> Callable[..., Audit]:
    def of(masks: dict[str, Any]) -> Audit:
        for name, mask in masks.items():
            Image.fromarray(mask).save(tmp_path / f"{name}.png")
        return audit_classifier(network(), pictures, masks=tmp_path, plan=PLAN)

    return of


def test_masks_may_hold_ones_instead_of_white_and_be_of_some_pictures(audited) -> None:
    found = audited({"p0": HALF, "p3": 255 * HALF})
    of_object = next(each for each in found.effects if each.subject == "the object")
    assert of_object.divergence.count == 2
    assert of_object.size == pytest.approx(20 / 64, abs=0.02)
    assert "the object: 10 of 12 pictures have no mask, or a black one" in found.left_out


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ({"p0": HALF[:, :48]}, r"48 × 48 pixels, and its picture 64 × 48"),
        ({"p0": HALF, "q": HALF}, r"q\.png is the mask of no picture"),
        ({"p0": 0 * HALF}, r"are black.*must be white"),
        ({"q": HALF}, r"holds no mask of any of the pictures"),
    ],
)
def test_masks_that_do_not_fit_are_told(audited, masks, said) -> None:
    with pytest.raises(InputError, match=said):
        audited(masks)


@pytest.mark.parametrize("size", [(4, 4), (3, 40)])
def test_images_without_room_for_cubes_are_told(pictures, size) -> None:
    with pytest.raises(InputError, match=f"{size[1]} × {size[0]} pixels have no room for cubes"):
        audit_classifier(network(size), pictures, plan=PLAN)
