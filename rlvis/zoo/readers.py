"""The readers of models, tried in their order: to add a format is to add one entry.

Those of agents come from `rlvis_agents`, where it is installed.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rlvis.errors import InputError, one_line, unknown
from rlvis.models.image_model import ImageModel
from rlvis.models.own_config import own_labels
from rlvis.models.policy import Policy
from rlvis.named_objects import import_named, is_named
from rlvis.zoo.classifiers import build_classifier, is_classifier, no_classifier
from rlvis.zoo.label_names import read_labels
from rlvis.zoo.network_files import FileKind, kind_of_network
from rlvis.zoo.preprocessing import Preprocessing, choose_preprocess, read_size
from rlvis.zoo.score_count import named_scores
from rlvis.zoo.source import ModelSource, refuse_unused
from rlvis.zoo.state_dict import load_weights

_OF_INPUT = frozenset({"labels", "scores", "preprocess", "input_size", "grey"})
OPTIONS = _OF_INPUT | {"arch", "weights", "trust", "image_key", "vec_normalize"}
"""The attributes of a `ModelSource` that some readers use."""

_ENDINGS = {".pt", ".pth", ".pt2", ".ckpt", ".bin", ".zip", ".safetensors", ".json"}
_MODULES_WITH_READERS = ("rlvis_agents.loading",)
"""Of other packages, which are asked where they are installed."""


@dataclass(frozen=True)
class Reader:
    """One form in which models come.

    Attributes:
        kind: what errors call it, "a TorchScript file".
        accepts: whether a source has this form.
        read: the model of a source that has it.
        uses: the options that it uses; others are refused.
        names: the names that it takes, where they are few enough to be offered.
    """

    kind: str
    accepts: Callable[[ModelSource], bool]
    read: Callable[[ModelSource], ImageModel]
    uses: frozenset[str]
    names: Callable[[], Sequence[str]] = tuple


def find_reader(source: ModelSource, classifiers: bool = True) -> Reader:
    """The first reader that accepts a source.

    Args:
        source: the source.
        classifiers: whether a name may be a classifier's, which no policy is.

    Raises:
        InputError: if none does; names that are close are offered.
    """
    readers, written = [*READERS, *_of_other_packages(), _WEIGHTS], str(source.model)
    for reader in readers:
        if reader.accepts(source):
            return reader
    if os.path.exists(written):
        raise InputError(
            f"{written} is no model; give a state_dict, TorchScript, torch.export or an agent's "
            "file, or the folder of a run"
        )
    path = Path(written)
    if path.suffix in _ENDINGS or (len(path.parts) > 1 and not written.startswith("timm/")):
        raise InputError(f"no file or folder {written}; check the path")
    if classifiers and _CLASSIFIER.accepts(source):
        return _CLASSIFIER
    names = [name for reader in readers for name in reader.names()]
    raise no_classifier(written, names) if classifiers else unknown("policy", written, names)


def _of_other_packages() -> list[Reader]:
    """Those of packages that know more forms, where they are installed."""
    return [
        reader
        for module in _MODULES_WITH_READERS
        if find_spec(module.partition(".")[0]) is not None
        for reader in import_module(module).READERS
    ]


def _is_code(source: ModelSource) -> bool:
    return not isinstance(source.model, (str, os.PathLike)) or is_named(str(source.model))


def _read_code(source: ModelSource) -> ImageModel:
    """The model that code of the user's own gives, or that he has in his hands."""
    given = source.model
    if isinstance(given, str):
        given = _made(import_named(given))
    if isinstance(given, ImageModel):
        where = f"for {source.shown}, whose {type(given).__name__} knows it itself"
        free = {"labels"} if isinstance(given, Policy) else {"labels", "scores"}
        for option in ("weights", *sorted(_OF_INPUT - free)):
            refuse_unused(where, **{option: getattr(source, option)})
        named = given.with_labels(read_labels(source.labels)) if source.labels else given
        return named.with_scores(source.scores) if source.scores else named
    if not isinstance(given, nn.Module):
        raise InputError(
            f"{source.shown} gives {type(given).__name__}, no model; name a torch module, an "
            "rlvis.ImageModel or an rlvis.Policy, or a function or class that gives one"
        )
    if source.weights == "random":
        refuse_unused(f"for {source.shown}, whose weights are as it makes them", weights=True)
    if source.weights is not None:
        load_weights(given, source.weights)
    return _of_module(given, source, type(given).__name__)


def _made(found: Any) -> Any:
    """What was named, or what it gives when it is called: a module is called with images only."""
    return found() if callable(found) and not isinstance(found, nn.Module) else found


def _of_module(
    module: nn.Module,
    source: ModelSource,
    name: str,
    labels: Sequence[str] | None = None,
    usual: Preprocessing | None = None,
) -> ImageModel:
    """The model of a module, with what else is known of it and what the source says."""
    size = read_size(source.input_size)
    preprocess = choose_preprocess(module, name, source.preprocess, usual, size, source.grey)
    if source.labels is not None:
        labels = read_labels(source.labels)
    model = named_scores(module, labels or own_labels(module), preprocess, name)
    return model.with_scores(source.scores) if source.scores else model


def _is_file(kind: FileKind, source: ModelSource) -> bool:
    path = Path(source.model)
    described = path.suffix == ".safetensors" and os.path.exists(path.with_suffix(".json"))
    return os.path.isfile(path) and not described and kind_of_network(path) == kind


def _read_torchscript(source: ModelSource) -> ImageModel:
    path = _trusted(source, "a TorchScript file is a program that is run")
    try:
        module = torch.jit.load(path, map_location="cpu")
    except Exception as error:  # readers stumble over damaged files in ways of their own
        raise _unreadable(path, error) from None
    return _of_module(module, source, path.stem)


def _read_export(source: ModelSource) -> ImageModel:
    path = _trusted(source, "torch reads an exported program with pickle, which runs code from it")
    try:
        program = torch.export.load(path)
        with warnings.catch_warnings():  # torch warns of its own code
            warnings.simplefilter("ignore", FutureWarning)
            module = torch.export.unflatten(program)
    except Exception as error:  # readers stumble over damaged files in ways of their own
        raise _unreadable(path, error) from None
    size = source.input_size or _exported_size(program)
    return _of_module(module, replace(source, input_size=size), path.stem)


def _exported_size(program: torch.export.ExportedProgram) -> tuple[int, int] | None:
    """(H, W) of the images that a program was exported for, None where they may have any."""
    inputs = program.graph_signature.user_inputs
    for node in program.graph.nodes:
        if inputs and node.name == inputs[0]:
            shape = tuple(node.meta["val"].shape)
            if len(shape) == 4 and all(isinstance(side, int) for side in shape[2:]):
                return shape[2], shape[3]
    return None


def _trusted(source: ModelSource, why: str) -> Path:
    """The path of a file that may run code.

    Raises:
        InputError: if nobody says that it may.
    """
    if not source.trust:
        raise InputError(f"{why}; if you trust who made {source.model}, add --trust")
    return Path(source.model)


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = one_line(error)[:160] or type(error).__name__
    return InputError(
        f"{path} cannot be read; is it whole, and of this version of torch? ({reason})"
    )


def _read_weights(source: ModelSource) -> ImageModel:
    if source.arch is None:
        raise InputError(
            f"{source.model} is read as weights alone; say of which network with --arch (a "
            "torchvision or timm name, or package.module:make_model)"
        )
    filled = replace(source, model=source.arch, arch=None, weights=source.model)
    reader = find_reader(filled)
    if "weights" not in reader.uses:
        raise InputError(
            f"--arch {source.arch} is {reader.kind}; give a torchvision or timm name, or "
            "package.module:make_model"
        )
    return reader.read(filled)


def _read_classifier(source: ModelSource) -> ImageModel:
    name = str(source.model)
    module, labels, usual = build_classifier(name, source.weights)
    return _of_module(module.eval(), source, name, labels, usual)


READERS = [
    Reader("code of your own", _is_code, _read_code, _OF_INPUT | {"weights"}),
    Reader(
        "a TorchScript file",
        partial(_is_file, "torchscript"),
        _read_torchscript,
        _OF_INPUT | {"trust"},
    ),
    Reader("an exported program", partial(_is_file, "export"), _read_export, _OF_INPUT | {"trust"}),
]
_WEIGHTS = Reader(
    "a file of weights", partial(_is_file, "weights"), _read_weights, _OF_INPUT | {"arch"}
)
"""After those of other packages, which may know whose weights a file holds."""

_CLASSIFIER = Reader(
    "a classifier by name",
    lambda source: not os.path.exists(source.model) and is_classifier(str(source.model)),
    _read_classifier,
    _OF_INPUT | {"weights"},
)
