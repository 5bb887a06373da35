"""Classifiers of timm by name: found, prepared for and labelled as timm itself does."""

import builtins

import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image

from rlvis import InputError, explain, load_classifier
from rlvis.zoo import timm_models as timm_classifiers
from rlvis.zoo.label_names import imagenet_labels
from tests.test_references import PHOTOS


def test_names_with_and_without_a_tag_and_the_closest_ones() -> None:
    for name in ("timm/test_vit", "timm/test_vit.r160_in1k"):
        model = load_classifier(name, weights="random")
        assert model.name == name
        assert len(model.labels) == 1000
    with pytest.raises(InputError, match="did you mean 'timm/resnet18'"):
        load_classifier("timm/resnet81", weights="random")
    with pytest.raises(InputError, match="features and no classes"):
        load_classifier("timm/vit_small_patch14_dinov2", weights="random")


def test_weights_come_from_a_file_or_are_refused_in_one_line(tmp_path, monkeypatch) -> None:
    module = timm.create_model("test_resnet")
    torch.save(module.state_dict(), tmp_path / "own.pth")
    model = load_classifier("timm/test_resnet", weights=tmp_path / "own.pth")
    torch.testing.assert_close(model.module.state_dict(), module.state_dict())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name, message in {
        "timm/test_resnet.r160_in1k": "cannot be downloaded",
        "timm/efficientnet_b7": "no weights",
    }.items():
        with pytest.raises(InputError, match=f"{message}.*--weights random") as caught:
            load_classifier(name)
        assert "\n" not in str(caught.value)


def test_without_timm_the_extra_is_named(monkeypatch) -> None:
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name="timm")
        return real(name, *rest, **more)

    timm_classifiers._variants.cache_clear()
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"rlvis\[timm\]"):
        load_classifier("timm/test_vit", weights="random")


def test_the_order_of_the_labels_is_timms() -> None:
    theirs = timm.data.ImageNetInfo()
    for index, label in enumerate(imagenet_labels()):
        words = {*label.lower().replace(",", "").split()}
        assert words & {*theirs.index_to_description(index).lower().replace(",", "").split()}


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/vit_tiny_patch16_224", "timm/tinynet_e"])
def test_pictures_are_prepared_as_timm_does(name) -> None:
    model = load_classifier(name, weights="random")
    config = timm.data.resolve_model_data_config(model.module)
    transform = timm.data.create_transform(**config, is_training=False)
    with Image.open(PHOTOS / "cat.jpg") as photo:
        expected = transform(photo.convert("RGB"))
    ours = model.inputs(PHOTOS / "cat.jpg")[0]
    assert ours.shape == expected.shape
    # It crops after resizing, so that fur is shifted by a part of a pixel: compare coarser ones.
    difference = F.avg_pool2d(ours - expected, 8).abs() * torch.tensor(config["std"])[:, None, None]
    assert difference.mean() < 4 / 255


def test_a_squashed_picture_is_seen_whole() -> None:
    model = load_classifier("timm/test_vit", weights="random")
    model.module.pretrained_cfg.update(crop_mode="squash", crop_pct=1.0)
    model.preprocess = timm_classifiers.preprocess(model.module)
    picture = np.zeros((80, 200, 3), np.uint8)
    why = explain(model, picture, "saliency")
    assert (why.window.width, why.window.height) == (200, 80)
    assert model.inputs(picture).shape[-2:] == (160, 160)
