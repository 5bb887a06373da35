"""Models from wherever they come: each form gives the scores of the network it was made from."""

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from rlvis import ImageModel, InputError, Policy, Preprocess, explain, load_model
from rlvis.errors import Notice
from rlvis.zoo.label_names import read_labels
from rlvis.zoo.loading import load_playing_policy
from rlvis.zoo.network_files import kind_of_network
from rlvis.zoo.preprocessing import PREPROCESSINGS
from rlvis.zoo.source import ModelSource
from tests.complaints import complaint

LABELS = ["cat", "dog", "bird"]
CODE = """
import torch
import rlvis
from tests.test_sources import LABELS, Small

def make():
    torch.manual_seed(0)
    return Small()

def with_channels(channels=1):
    return Small(channels)

def model():
    return rlvis.ImageModel(make(), LABELS)

def policy():
    return rlvis.Policy(make(), LABELS, observation_shape=(16, 20, 3))

def halve(images):
    return images.float() / 510

instance = make()
number = 3

def broken():
    raise ZeroDivisionError("a fault of the user's own")
"""


class Small(nn.Module):
    """A network for images of any size."""

    def __init__(self, channels: int = 3, num_classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(dim=(2, 3)))


def made() -> Small:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a module and with the same network in files of every kind."""
    (tmp_path / "own_networks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    network, images = made(), torch.rand(2, 3, 16, 20)
    torch.save(network.state_dict(), "state.pth")
    torch.save(network.state_dict(), "old.pt", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": wrapped(network, "model.")}, "lightning.ckpt")
    torch.save(wrapped(network, "module."), "parallel.pt")
    safetensors.torch.save_file(network.state_dict(), "state.safetensors")
    torch.save(network, "whole.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network).save("script.pt")
        torch.jit.trace(network, images).save("traced.zip")
        batch = {"x": {0: torch.export.Dim("batch")}}
        program = torch.export.export(network, (images,), dynamic_shapes=batch)
        torch.export.save(program, "program.pt")
    return tmp_path


def wrapped(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {prefix + name: weight for name, weight in network.state_dict().items()}


IMAGES = np.random.default_rng(0).integers(0, 255, (2, 16, 20, 3), np.uint8)


def scores_of(**options: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        return load_model(**options).scores(IMAGES).logits


@dataclass(frozen=True)
class Form:
    """One form in which the same network comes."""

    model: str
    options: dict[str, Any] = field(default_factory=dict)


TRUSTED, ARCH = {"trust": True}, {"arch": "own_networks:make"}
FORMS = [
    Form("own_networks:make"),
    Form("own_networks:instance"),
    Form("own_networks:model"),
    Form("own_networks:policy"),
    Form("own_networks:make", {"weights": "state.pth"}),
    Form("state.pth", ARCH),
    Form("old.pt", ARCH),
    Form("lightning.ckpt", ARCH),
    Form("parallel.pt", ARCH),
    Form("state.safetensors", ARCH),
    Form("script.pt", TRUSTED),
    Form("traced.zip", TRUSTED),
    Form("program.pt", TRUSTED),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.model} {form.options}")
def test_every_form_gives_the_scores_of_the_network(folder, form) -> None:
    expected = made()(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(
        scores_of(model=form.model, **form.options), expected.detach(), rtol=1e-4, atol=1e-5
    )


def test_a_class_and_a_module_in_hand_are_models_too(folder) -> None:
    given = made()
    assert len(scores_of(model="own_networks:Small")) == 2
    torch.testing.assert_close(
        scores_of(model=given), given(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255).detach()
    )
    assert load_model(given, labels=LABELS, preprocess="unit").module is given


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "own_networks:mak"}, "did you mean 'make'"),
        ({"model": "no_such_networks:make"}, "no module 'no_such_networks'"),
        ({"model": "own_networks:number"}, "gives int, no model"),
        ({"model": "own_networks:model", "grey": True}, "--grey does nothing"),
        ({"model": "own_networks:make", "weights": "random"}, "--weights does nothing"),
        ({"model": "own_networks:make", "trust": True}, "--trust does nothing"),
        ({"model": "own_networks:make", "preprocess": "imagnet"}, "did you mean 'imagenet'"),
        ({"model": "own_networks:make", "preprocess": "own_networks:number"}, "is a int"),
        ({"model": "own_networks:make", "input_size": "1,2,3"}, "no size '1,2,3'"),
        (
            {"model": "own_networks:make", "preprocess": "own_networks:halve", "input_size": 9},
            "leave --input-size out",
        ),
        ({"model": "own_networks:with_channels", "preprocess": "imagenet"}, "takes one channel"),
        ({"model": "state.pth"}, "with --arch"),
        ({"model": "state.pth", "arch": "script.pt"}, "--arch script.pt is a TorchScript file"),
        ({"model": "state.pth", "arch": "timm/test_vit"}, "weights of another network"),
        ({"model": "whole.pth", "arch": "own_networks:make"}, "more than weights"),
        ({"model": "script.pt"}, "add --trust"),
        ({"model": "traced.zip"}, "add --trust"),
        ({"model": "program.pt"}, "add --trust"),
        ({"model": "script.pt", "arch": "own_networks:make"}, "--arch does nothing"),
        ({"model": "cut.pt", "trust": True}, "cut.pt"),
        ({"model": "missing.pt"}, "no file or folder missing.pt"),
        ({"model": "own_networks.py"}, "own_networks.py is no model"),
        ({"model": "cube-rech"}, "did you mean 'cube-reach'"),
        ({"model": "cube-reach", "preprocess": "unit"}, "--preprocess does nothing"),
        ({"model": "cube-reach", "labels": "a,b"}, "not 3 different names"),
        ({"model": "own_networks:model", "labels": "a,a,b"}, "not 3 different names"),
        ({"model": made(), "device": "cuda:99"}, "cannot compute on 'cuda:99'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(folder, options, message) -> None:
    Path("cut.pt").write_bytes(Path("script.pt").read_bytes()[:-200])
    said = complaint(lambda: load_model(**options))
    assert message in said
    assert "\n" not in said


def test_a_fault_in_code_of_the_users_own_keeps_its_traceback(folder) -> None:
    with pytest.raises(ZeroDivisionError):
        load_model("own_networks:broken")


def test_reading_weights_runs_no_code_from_the_file(folder) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return Path("ran").write_text, ("code",)

    torch.save({"state_dict": made().state_dict(), "optimizer": Evil()}, "evil.pth")
    assert "more than weights" in complaint(
        lambda: load_model("evil.pth", arch="own_networks:make")
    )
    assert not Path("ran").exists()


def test_what_a_file_is_is_told_by_its_content(folder) -> None:
    kinds = {name: kind_of_network(name) for name in ("script.pt", "program.pt", "state.pth")}
    assert kinds == {"script.pt": "torchscript", "program.pt": "export", "state.pth": "weights"}
    assert kind_of_network("own_networks.py") is None


def test_a_network_of_the_zoo_with_classes_of_ones_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = timm.create_model("test_resnet", num_classes=2).eval()
    torch.save(network.state_dict(), "own.pth")
    model = load_model("own.pth", arch="timm/test_resnet", labels="cat,dog")
    assert model.labels == ("cat", "dog")
    inputs = model.inputs(IMAGES)
    torch.testing.assert_close(model.scores(IMAGES).logits, network(inputs).detach())
    with pytest.warns(Notice, match="2 scores of timm/test_resnet have no names"):
        numbered = load_model("timm/test_resnet", weights="own.pth")
    assert numbered.labels == ("0", "1")


def test_what_is_not_said_is_told(folder) -> None:
    with pytest.warns(Notice) as said:
        model = load_model("own_networks:make")
    assert model.labels == ("0", "1", "2")
    texts = " ".join(str(each.message) for each in said)
    assert "numbers 0..1" in texts
    assert "numbered from 0" in texts


def test_a_network_of_one_channel_is_given_luminance(folder) -> None:
    model = load_model("own_networks:with_channels", preprocess="unit", labels=LABELS)
    assert model.inputs(IMAGES).shape == (2, 1, 16, 20)
    assert explain(model, IMAGES, "saliency", "dog").maps.any()


def test_a_policy_is_given_pictures_in_its_size_and_observations_as_they_are(folder) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    assert load_model("own_networks:policy").inputs(picture).shape == (1, 3, 16, 20)
    playing = load_playing_policy("own_networks:policy", labels="a,b,c")
    assert isinstance(playing, Policy)
    assert playing.labels == ("a", "b", "c")
    assert playing.inputs(picture).shape == (1, 3, 64, 64)
    assert "no policy" in complaint(lambda: load_playing_policy("own_networks:model"))
    assert "no policy 'resnet18'" in complaint(lambda: load_playing_policy("resnet18"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unit", lambda pixels: pixels),
        ("levels", lambda pixels: pixels * 255),
        (
            "imagenet",
            lambda pixels: (
                (pixels - Tensor([0.485, 0.456, 0.406])[:, None, None])
                / Tensor([0.229, 0.224, 0.225])[:, None, None]
            ),
        ),
    ],
)
def test_preprocessings_do_what_their_names_say(name, expected) -> None:
    size = (224, 224)
    model = ImageModel(Small(), LABELS, PREPROCESSINGS[name])
    flat = np.full((256, 256, 3), 51, np.uint8)
    inputs = model.inputs(flat)
    pixels = torch.full((1, 3, *(size if name == "imagenet" else (256, 256))), 0.2)
    torch.testing.assert_close(inputs, expected(pixels), rtol=1e-4, atol=1e-4)


def test_sizes_as_they_are_written() -> None:
    for written, size in {
        "24": (24, 24),
        "16,20": (16, 20),
        24: (24, 24),
        (16, 20): (16, 20),
    }.items():
        model = load_model(made(), labels=LABELS, preprocess="unit", input_size=written)
        assert isinstance(model.preprocess, Preprocess)
        assert model.preprocess.size == size


@pytest.mark.parametrize(
    "written",
    [
        "cat\ndog\n\nbird\n",
        '["cat", "dog", "bird"]',
        '{"0": "cat", "2": "bird", "1": "dog"}',
        '{"0": ["n01", "cat"], "1": ["n02", "dog"], "2": ["n03", "bird"]}',
    ],
)
def test_labels_in_files(tmp_path, written) -> None:
    (tmp_path / "labels.txt").write_text(written)
    assert read_labels(tmp_path / "labels.txt") == ("cat", "dog", "bird")
    assert read_labels("cat, dog,bird") == ("cat", "dog", "bird")


@pytest.mark.parametrize("written", ['{"1": "cat"}', "[1, 2]", "{", json.dumps([[]]), b"\xff\xfe"])
def test_files_that_hold_no_labels(tmp_path, written) -> None:
    data = written if isinstance(written, bytes) else written.encode()
    (tmp_path / "labels.json").write_bytes(data)
    assert "labels.json" in complaint(lambda: read_labels(tmp_path / "labels.json"))
    assert "no file" in complaint(lambda: read_labels(tmp_path / "missing.json"))


def test_changes_are_made_on_copies(policy) -> None:
    twin = policy.with_changes(preprocess=Preprocess((8, 8)), name="twin")
    assert (policy.name, twin.name) == ("pooled", "twin")
    assert policy.preprocess != twin.preprocess
    assert twin.module is policy.module
    with pytest.raises(AttributeError, match="no attribute 'lable'"):
        policy.with_changes(lable="x")


def test_a_module_alone_is_refused_with_what_to_make_of_it() -> None:
    module: Any = made()
    with pytest.raises(InputError, match=r"Small is a module alone; give rlvis\.ImageModel"):
        explain(module, IMAGES)
    name: Any = "resnet18"
    with pytest.raises(InputError, match="cannot look into str"):
        explain(name, IMAGES)


def test_a_source_is_a_value() -> None:
    assert ModelSource("x", grey=True) == ModelSource("x", grey=True)


@pytest.mark.parametrize(
    ("network", "hint"),
    [
        (nn.Conv2d(1, 2, 3), "--grey"),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(4, 2)), "--input-size"),
    ],
)
def test_a_network_that_does_not_take_the_picture_says_what_would_work(network, hint) -> None:
    assert hint in complaint(lambda: ImageModel(network, ["a", "b"]).scores(IMAGES))


@pytest.mark.parametrize("ending", ["", ".safetensors", ".json", ".zip", ".pt2", "/y", ":y"])
def test_names_too_long_for_a_file_are_names_like_others(ending) -> None:
    with pytest.raises(InputError):
        load_model("x" * 300 + ending)
