"""Time and memory of every method, here and in each library that has it, in one run.

Same model, same inputs, same number of threads. The sides take turns; the ratio beside the fastest
library is the median of the rounds' ratios. Memory is how far the resident set of a process grows
during one call, each call in a fresh fork. At last the bundle: all methods of one forward and one
backward pass together, beside the fastest library for each. Linux only.

    python -m scripts.benchmark_methods
"""

import argparse
import ctypes
import multiprocessing
import re
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from rlvis import explain
from scripts.references import mend_torchvision
from scripts.rivals import Case, Run, photo, policy, rivals

MOST_SECONDS = 10.0
BUNDLE = (
    *("cam", "grad-cam", "grad-cam++", "hires-cam", "layer-cam", "xgrad-cam"),
    *("saliency", "input-x-gradient", "guided-backprop", "deconvnet", "guided-grad-cam"),
)
"""Those of one pass. Eigen-CAM is not among them: its time is that of a matrix decomposition."""


@dataclass
class Row:
    """A method, the calls that compute it, and what has been measured of them."""

    method: str
    ours: Run
    theirs: dict[str, Run] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    def sides(self) -> dict[str, Run]:
        """All calls by whose they are."""
        return {"rlvis": self.ours, **self.theirs}


def with_rlvis(case: Case, methods: Sequence[str]) -> Run:
    """Our call: all methods and targets at once; plain CAM needs the layer that is pooled."""
    layer = case.pooled_layer if "cam" in methods else case.network_layer
    layer = layer.removeprefix("module.")
    return lambda: explain(case.model, case.inputs, methods, list(case.targets), layer=layer)


def rows(case: Case) -> list[Row]:
    """One row per method that a library has."""
    found: dict[str, Row] = {}
    for method, library, run in rivals(case):
        row = found.setdefault(method, Row(method, with_rlvis(case, [method])))
        row.theirs[library] = run
    return list(found.values())


def times(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call in each round, the calls taking turns."""
    for run in runs.values():
        run()
    spent: dict[str, list[float]] = {name: [] for name in runs}
    begin = time.perf_counter()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name].append(1000 * (time.perf_counter() - start))
        if time.perf_counter() - begin > MOST_SECONDS:
            break
    return spent


def fastest(spent: dict[str, list[float]]) -> str:
    """The library with the smallest median."""
    return min((name for name in spent if name != "rlvis"), key=lambda each: median(spent[each]))


def median(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def ratio(theirs: list[float], ours: list[float]) -> float:
    """The median of the rounds' ratios."""
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def growth(case: Case, run: Run, threads: int) -> float:
    """By how many MB the resident set grows at most during the call, in a fork of this process.

    This process must not have started threads of its own yet.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_grow, args=(case, run, threads, theirs))
    process.start()
    theirs.close()
    peak: float = ours.recv()
    process.join()
    return peak


def _grow(case: Case, run: Run, threads: int, pipe: Connection) -> None:
    torch.set_num_threads(threads)
    with torch.no_grad():
        case.network(case.inputs[:1])
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    run()
    pipe.send(_status("VmHWM") - before)


def _status(entry: str) -> float:
    found = re.search(rf"{entry}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def report(case: Case, table: list[Row], rounds: int) -> None:
    """Measure and print the case's table, then its bundle."""
    count = len(case.inputs)
    print(f"\n**{case.title}**: milliseconds per frame, peak memory of a call\n")
    print("| method | rlvis, ms | libraries, ms | beside the best | rlvis, MB | the best, MB |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    best: dict[str, Run] = {}
    for row in table:
        spent = times(row.sides(), rounds)
        winner = fastest(spent)
        best[row.method] = row.theirs[winner]
        others = ", ".join(f"{name} {median(spent[name]) / count:.2f}" for name in row.theirs)
        beside = ratio(spent[winner], spent["rlvis"])
        print(
            f"| {row.method} | {median(spent['rlvis']) / count:.2f} | {others} | {beside:.2f} "
            f"| {row.memory['rlvis']:.0f} | {row.memory[winner]:.0f} |",
            flush=True,
        )
    runs = [best[method] for method in BUNDLE]
    spent = times(
        {"rlvis": with_rlvis(case, BUNDLE), "libraries": lambda: [run() for run in runs]},
        rounds,
    )
    print(
        f"\nAll of {', '.join(BUNDLE)} together: rlvis {median(spent['rlvis']) / count:.2f} ms, "
        f"the best libraries {median(spent['libraries']) / count:.2f} ms per frame, "
        f"ratio **{ratio(spent['libraries'], spent['rlvis']):.1f}**",
        flush=True,
    )


def main() -> None:
    """Print a table per network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=64, help="of the policy, besides one")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    mend_torchvision()
    torch.set_num_threads(1)
    cases = [photo(), policy(1), policy(options.frames)]
    tables = [(case, rows(case)) for case in cases]
    for case, table in tables:
        for row in table:
            for side, run in row.sides().items():
                row.memory[side] = growth(case, run, options.threads)
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, median of up to {options.rounds} rounds")
    for case, table in tables:
        report(case, table, options.rounds)


if __name__ == "__main__":
    main()
