"""Answers under masks are asked for once, and never taken for those to another question."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlvis import ImageModel, explain
from rlvis.attribution import changed_images
from rlvis.attribution.explainer import Explainer
from rlvis.attribution.explanation import Explanation
from rlvis.attribution.remembered import Remembered
from tests.conftest import LABELS, PooledPolicy, randomise

IMAGES = np.random.default_rng(0).integers(0, 255, (5, 24, 32, 3), np.uint8)


class Counting(nn.Module):
    """Counts the images that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = PooledPolicy()

    def forward(self, x: Tensor, shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        _ASKED.append(len(x))
        logits, value = self.inner(x)
        return logits if shift is None else logits * shift, value


_ASKED: list[int] = []


def counted(seed: int = 0, **options: object) -> ImageModel:
    torch.manual_seed(seed)
    module = Counting()
    randomise(module)
    model = ImageModel(module.eval(), LABELS, **options)
    context = {name: np.ones((5, *shape)) for name, shape in model.context.items()}
    model.scores(IMAGES, context)  # asked for the first time, it is asked which images it takes
    return model


def asked(
    remembered: Remembered, model: ImageModel, images: np.ndarray, method: str, **how: object
) -> tuple[Explanation, int]:
    """An explanation, and how many images the network was asked about for it."""
    context = how.pop("context", None)
    explainer = Explainer.of(model, [method], how.pop("target", "left"), remembered=remembered)
    _ASKED.clear()
    [[found]] = explainer.explain([explainer.prepare(images)], context)
    return found, sum(_ASKED)


def test_methods_that_cover_images_alike_ask_once() -> None:
    model, one = counted(), 5
    _ASKED.clear()
    explain(model, IMAGES, "perturbation", "left")
    alone = sum(_ASKED)
    assert alone > one * 10
    _ASKED.clear()
    explain(model, IMAGES, ["perturbation", "sarfa"], "left")
    assert sum(_ASKED) == alone

    remembered = Remembered()
    assert asked(remembered, model, IMAGES, "perturbation", target=["left", "value"])[1] == alone
    ours, more = asked(remembered, model, IMAGES, "sarfa", target="right")
    assert more == one
    np.testing.assert_array_equal(ours.maps, explain(model, IMAGES, "sarfa", "right").maps)


@pytest.mark.parametrize("other", ["images", "model", "options", "cover", "context"])
def test_another_question_is_asked_anew(other) -> None:
    options = {"context": {"shift": (1,)}} if other == "context" else {}
    model, remembered = counted(**options), Remembered()
    context = {"shift": np.ones((5, 1), np.float32)} if options else None
    method = "occlusion"
    asked(remembered, model, IMAGES, method, context=context)
    images = IMAGES
    if other == "images":
        images = IMAGES.copy()
        images[3, 2, 1, 0] ^= 255
    if other == "model":
        model = counted(1)
    if other == "options":
        method = "occlusion:stride=3"
    if other == "cover":
        method = "occlusion:baseline=blur"
    if context:
        context = {"shift": np.full((5, 1), 2, np.float32)}
    found, count = asked(remembered, model, images, method, context=context)
    assert count > 50
    expected = explain(model, images, method, "left", context=context)
    np.testing.assert_array_equal(found.maps, expected.maps)


@pytest.mark.parametrize("method", ["rise", "perturbation", "sarfa", "occlusion"])
def test_images_may_be_asked_about_in_groups(method, monkeypatch) -> None:
    model = counted()
    whole = explain(model, IMAGES, method, ["left", "right"])
    for most in (1, 2000):  # one image at a time, and two or so
        monkeypatch.setattr(changed_images, "_SCORES", most)
        parts = explain(model, IMAGES, method, ["left", "right"])
        np.testing.assert_array_equal(parts.maps, whole.maps)


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch) -> None:
    monkeypatch.setattr("rlvis.attribution.remembered._MOST", 1000)
    model, remembered = counted(), Remembered()
    _, first = asked(remembered, model, IMAGES, "rise")
    _, second = asked(remembered, model, IMAGES, "rise")
    assert first == second > 2500
