"""One fault at a time is put into the code, to see whether a test notices it.

    pip install cosmic-ray
    python -m scripts.mutation [--count 100] [--seed 0] [--only rlvis/evidence]

The faults are drawn at random from those of `scripts.mutants` in the modules of `TESTS`. Each is
written into a copy of the tree, and the test files of its module run there in a child of this
process, which has the slow imports behind it: of them the tests that enter the changed function,
the quickest first. What only tests with processes of their own enter is not noticed.
"""

import argparse
import ast
import importlib
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from scripts.mutants import ROOT, Mutant, compiles, mutants
from scripts.references import mend_torchvision

MOST_SECONDS, MOST_BYTES = 240, 12 * 2**30
WARM = [
    *("torch", "torchvision", "timm", "captum.attr", "pytorch_grad_cam", "av", "cv2", "zarr"),
    *("gymnasium", "stable_baselines3", "sb3_contrib", "safetensors"),
]

METHODS = "formulas attribution references properties notes"
FIELDS = "features_receptive_field features_patches features_cli properties"
RECORDINGS = "recording recording_damage files"
AGENTS = "agents_sb3 agents_safety agents_context agents_kinds"
TESTS = {
    "rlvis/attribution/*.py": f"{METHODS} transformers rectifiers replica runs",
    "rlvis/attribution/evidence.py": f"{METHODS} transformers converted runs",
    "rlvis/models/targets.py": f"actions {METHODS} masked",
    "rlvis/instrument/relu_rules.py": f"rectifiers {METHODS}",
    "rlvis/instrument/layers.py": f"networks {METHODS} transformers timm",
    "rlvis/instrument/feature_layout.py": "transformers token_order references timm",
    "rlvis/instrument/cell_places.py": "places transformers token_order",
    "rlvis/instrument/stripes.py": "places",
    "rlvis/instrument/asking.py": "places",
    "rlvis/images/places.py": "places",
    "rlvis/images/window_search.py": "places images",
    "rlvis/models/replica.py": f"replica {METHODS} third_party",
    "rlvis/features/receptive_field/tracing.py": FIELDS,
    "rlvis/instrument/dependence/*.py": f"{FIELDS} places",
    "rlvis/features/top_patches/search.py": f"features_patches {FIELDS} features_activations",
    "rlvis/features/top_patches/scan.py": f"features_patches {FIELDS} features_embed "
    "features_activations",
    "rlvis/features/image_sets/image_pass.py": f"features_patches {FIELDS} features_embed",
    "rlvis/rollouts/recording.py": RECORDINGS,
    "rlvis/rollouts/contents.py": RECORDINGS,
    "rlvis/rollouts/header.py": f"recording wrappers {RECORDINGS}",
    "rlvis/rollouts/store.py": f"recording_damage {RECORDINGS}",
    "rlvis/rollouts/stored_episode.py": f"recording_damage {RECORDINGS}",
    "rlvis/rollouts/zarr_array.py": "zarr_arrays recording_damage",
    "rlvis/rollouts/number_table.py": "zarr_arrays recording_damage",
    "rlvis/rollouts/background.py": "zarr_arrays",
    "rlvis/rollouts/states.py": "revisited",
    "rlvis/rollouts/revisited.py": "revisited",
    "rlvis/rollouts/recorded_maps.py": f"revisited {RECORDINGS}",
    "rlvis/rollouts/recorded_policy.py": "revisited",
    "rlvis/rollouts/episode.py": "recording environments masked agents agents_kinds",
    "rlvis/images/depth.py": "images environments envs_pictures",
    "rlvis/files.py": f"files images {RECORDINGS}",
    "agents/rlvis_agents/safe_reading/pickles.py": f"agents_safety {AGENTS}",
    "agents/rlvis_agents/safe_reading/tensors.py": f"agents_safety {AGENTS} agents",
    "agents/rlvis_agents/safe_reading/reading.py": f"agents_safety {AGENTS} agents",
    "agents/rlvis_agents/sb3/*.py": AGENTS,
    "agents/rlvis_agents/sb3/vec_normalize.py": "agents_context agents_zoo agents_kinds",
    "agents/rlvis_agents/checkpoints.py": "agents agents_safety agents_training",
    "agents/rlvis_agents/sb3/rl_zoo.py": "agents_zoo",
    "agents/rlvis_agents/loading.py": f"agents {AGENTS}",
}


class Watch:
    """A plugin of pytest that notes the functions of the tree that each test enters.

    What the making of a fixture enters counts for every test that uses it.

    Attributes:
        entered: by test or fixture, the files and first lines of functions.
        fixtures: by test.
        seconds: that each test took.
    """

    def __init__(self, sandbox: Path) -> None:
        self._sandbox = f"{sandbox}/"
        self._now: set[tuple[str, int]] = set()
        self.entered: dict[str, set[tuple[str, int]]] = {}
        self.fixtures: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}

    def _call(self, frame: FrameType, *_: Any) -> None:
        code = frame.f_code
        if code.co_filename.startswith(self._sandbox):
            file = code.co_filename.removeprefix(self._sandbox)
            self._now.add((file, code.co_firstlineno))

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        before, self._now = self._now, self.entered.setdefault(name, set())
        sys.settrace(self._call)
        threading.settrace(self._call)
        try:
            yield
        finally:
            self._now = before

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.fixtures[item.nodeid] = list(item.fixturenames)
        start = time.monotonic()
        with self._noting(item.nodeid):
            yield
        self.seconds[item.nodeid] = time.monotonic() - start

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        with self._noting(fixturedef.argname):
            yield

    def write(self, path: Path) -> None:
        every = {
            test: sorted(set().union(*(self.entered.get(each, ()) for each in (test, *fixtures))))
            for test, fixtures in self.fixtures.items()
        }
        path.write_text(json.dumps({"entered": every, "seconds": self.seconds}))


@dataclass(frozen=True)
class Chosen:
    """A plugin of pytest that runs only these tests, in this order."""

    tests: list[str]

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        known = {item.nodeid: item for item in items}
        items[:] = [known[test] for test in self.tests if test in known]


class Tests:
    """Which tests enter which function, and how long they take.

    Args:
        notes: a file that `Watch` wrote.
    """

    def __init__(self, notes: Path) -> None:
        read = json.loads(notes.read_text())
        self._seconds = read["seconds"]
        self._entered = {test: set(map(tuple, found)) for test, found in read["entered"].items()}

    def of(self, mutant: Mutant, names: Iterable[str]) -> list[str]:
        """The tests in these files that enter a mutant's function, the quickest first.

        Outside of functions, those that enter any function of the module.
        """
        around = [0]
        for node in ast.walk(ast.parse(mutant.path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if node.body[0].lineno <= mutant.line <= node.end_lineno:
                    around.append(first)
        file, first = str(mutant.path.relative_to(ROOT)), max(around)
        files = {test_file(name) for name in names}
        return sorted(
            (
                test
                for test, found in self._entered.items()
                if test.split("::")[0] in files
                and any(path == file and first in (0, line) for path, line in found)
            ),
            key=lambda test: self._seconds[test],
        )


def test_file(name: str) -> str:
    return f"tests/test_{name}.py"


def log_of(sandbox: Path) -> Path:
    return sandbox.with_name("log")


def in_this_process(sandbox: Path, files: list[str], plugin: Any) -> int:
    log = log_of(sandbox)
    os.setsid()
    sys.stdout = sys.stderr = log.open("w", buffering=1)
    for stream in (1, 2):
        os.dup2(sys.stdout.fileno(), stream)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    os.chdir(sandbox)
    for name in [name for name in sys.modules if name.startswith(("scripts", "rlvis"))]:
        del sys.modules[name]
    packages = [str(sandbox), str(sandbox / "envs"), str(sandbox / "agents")]
    others = [entry for entry in sys.path if entry and not Path(entry).is_relative_to(ROOT)]
    sys.path[:] = packages + others
    os.environ["PYTHONPATH"] = os.pathsep.join(packages)
    options = ["-x", "-m", "not long", "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    try:
        code = int(pytest.main(options + files, plugins=[plugin]))
        sys.settrace(None)
        if isinstance(plugin, Watch):
            plugin.write(log.with_name("notes"))
    except BaseException:
        traceback.print_exc()
        return 1
    return code


def run_tests(
    sandbox: Path, files: Iterable[str], plugin: Any, limit: float = MOST_SECONDS
) -> tuple[str, float]:
    """Whether the tests of a tree "passed", "failed" or "hung", and after how many seconds.

    They run in a child, so that a crash ends only that one; it sees only modules of `sandbox`.
    """
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = in_this_process(sandbox, list(dict.fromkeys(files)), plugin)
        finally:
            os._exit(code)
    status = None
    while status is None and time.monotonic() - start < limit:
        time.sleep(0.02)
        done, ended = os.waitpid(child, os.WNOHANG)
        status = ended if done else None
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    seconds = time.monotonic() - start
    return ("hung" if status is None else "passed" if status == 0 else "failed"), seconds


def tried_in(sandbox: Path, mutant: Mutant, chosen: list[str]) -> tuple[str, float]:
    if not chosen:
        return "passed", 0.0
    place = sandbox / mutant.path.relative_to(ROOT)
    place.write_text(mutant.code)
    outcome = run_tests(sandbox, (test.split("::")[0] for test in chosen), Chosen(chosen))
    shutil.copy(mutant.path, place)
    return outcome


def what_noticed(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return next((line[:110] for line in lines if line.startswith(("FAILED", "ERROR"))), "")


def copy_of_the_tree(folder: Path) -> Path:
    ignored = shutil.ignore_patterns(".*", "__pycache__", "runs", "out")
    return Path(shutil.copytree(ROOT, folder / "tree", ignore=ignored))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="modules whose path begins with this")
    parser.add_argument("--numbers", type=int, nargs="+", help="only these of the sample, again")
    options = parser.parse_args()

    draw = random.Random(options.seed)
    tests = {p: names.split() for glob, names in TESTS.items() for p in sorted(ROOT.glob(glob))}
    modules = [path for path in tests if str(path.relative_to(ROOT)).startswith(options.only)]
    everything = [mutant for path in modules for mutant in mutants(path, draw)]
    draw.shuffle(everything)
    whole = (mutant for make in everything if compiles((mutant := make()).code))
    numbered = dict(enumerate(islice(whole, options.count), 1))
    if options.numbers:
        numbered = {number: numbered[number] for number in options.numbers}
    print(f"{len(numbered)} of {len(everything)} mutants, seed {options.seed}", flush=True)

    sys.dont_write_bytecode = True
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1", PYGLET_HEADLESS="true")
    mend_torchvision()
    for name in WARM:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        trees = [copy_of_the_tree(Path(folder) / str(job)) for job in range(options.jobs)]
        used = [test_file(name) for mutant in numbered.values() for name in tests[mutant.path]]
        log = log_of(trees[0])
        if run_tests(trees[0], used, Watch(trees[0]), limit=math.inf)[0] != "passed":
            print(log.read_text(), "\nThe tests fail without any fault.")
            return 1
        known = Tests(log.with_name("notes"))

        def tried(number: int) -> bool:
            mutant, tree = numbered[number], trees.pop()
            chosen = known.of(mutant, tests[mutant.path])
            outcome, seconds = tried_in(tree, mutant, chosen)
            noticed = what_noticed(log_of(tree)) if chosen else "no test enters it"
            trees.append(tree)
            line = f"{number:4} {outcome} {seconds:4.0f} s  {mutant.shown()}\n    {noticed}"
            print(line, flush=True)
            return outcome != "passed"

        with ThreadPoolExecutor(options.jobs) as pool:
            caught = dict(zip(numbered, pool.map(tried, numbered), strict=True))
    print(f"\ncaught: {sum(caught.values())} of {len(caught)}; survivors:")
    for number, mutant in numbered.items():
        if not caught[number]:
            print(f"{number:4} {mutant.shown()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
