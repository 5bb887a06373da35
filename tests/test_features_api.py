"""`rlvis.features` from Python: its example runs, and its names are what they say."""

import doctest
import importlib
import pkgutil

from rlvis import features


def test_the_example_runs() -> None:
    outcome = doctest.testmod(features)
    assert outcome.attempted >= 7
    assert outcome.failed == 0


def test_names_stay_functions_when_their_modules_are_loaded() -> None:
    for module in pkgutil.iter_modules(features.__path__):
        importlib.import_module(f"rlvis.features.{module.name}")
    for name in set(features.__all__) - {"objectives"}:
        assert callable(getattr(features, name)), name
