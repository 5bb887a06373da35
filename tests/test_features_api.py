"""`rlvis.features` from Python: its example runs, and its names are what they say."""

import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import pytest
from torch import nn

from rlvis import features
from tests.complaints import complaint

OF_MODELS = [
    name
    for name in features.__all__
    if inspect.isfunction(getattr(features, name))
    and next(iter(inspect.signature(getattr(features, name)).parameters), "") == "model"
]


def test_the_example_runs() -> None:
    outcome = doctest.testmod(features)
    assert outcome.attempted >= 7
    assert outcome.failed == 0


def test_names_stay_functions_when_their_modules_are_loaded() -> None:
    for module in pkgutil.iter_modules(features.__path__):
        importlib.import_module(f"rlvis.features.{module.name}")
    for name in set(features.__all__) - {"objectives"}:
        assert callable(getattr(features, name)), name


@pytest.mark.parametrize(
    "name", [each for each in OF_MODELS if "save" not in each and "picture" not in each]
)
def test_a_module_alone_is_refused_with_what_to_make_of_it(name) -> None:
    call: Any = getattr(features, name)
    required = [
        each
        for each in inspect.signature(call).parameters.values()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    unused: list[Any] = [None] * (len(required) - 1)
    said = complaint(lambda: call(nn.Conv2d(3, 2, 3), *unused))
    assert "Conv2d is a module alone; give rlvis.ImageModel" in said


def test_all_tools_that_take_a_model_are_asked() -> None:
    assert {"filters", "patches", "units", "synthesize", "dream", "attack"} <= set(OF_MODELS)
