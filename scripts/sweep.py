"""Bad input for every option of every command: what came of it, counted.

    python -m scripts.sweep [--only record]

Each case runs in a process of its own, with a limit on time and memory. Good outcomes are 0 (it
worked) and 2 with an explanation; a traceback, a crash by a signal, a hang and a full memory are
faults, and are listed.
"""

import argparse
import contextlib
import inspect
import io
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
from PIL import Image

MOST_SECONDS, MOST_BYTES = 60, 3 * 2**30
NUMBERS = ["nan", "inf", "-inf", "-1", "0", "1e308", "1000000000000000000000", "0.5", "x", ""]
TEXTS = ["", " ", "\n", "x" * 300, "ü\U0001f642", "../..", "/dev/zero", "/dev/null", "a:b", "nan"]
PLACES = [
    "",
    ".",
    "file/x.png",
    "/proc/x.png",
    "pipe.png",
    "folder.png",
    "x" * 300 + ".png",
    "/dev/full",
    "x.exe",
    "circle.png",
    "readonly/\0.png",
]
READ = ["missing", "folder.png", "pipe.png", "/dev/zero", "file", "empty", "x" * 300, "circle.png"]

BASES: dict[str, list[str]] = {
    "train": ["--steps", "64", "--out", "run"],
    "record": ["--episodes", "1", "--max-steps", "3", "--out", "new.zarr", "--video", "new.mp4"],
    "video": ["old.zarr", "--out", "new.gif"],
    "evaluate": ["--episodes", "2"],
    "explain": ["cat.png", "--model", "cube-reach", "--out", "new.png"],
    "methods": [],
    "layers": ["--model", "cube-reach"],
    "labels": ["cat", "--model", "cube-reach"],
    "features filters": ["--model", "cube-reach", "--out", "new.png"],
    "features patches": ["old.zarr", "--model", "cube-reach", "--out", "new.png"],
    "features units": ["old.zarr", "--model", "cube-reach", "--out", "new.png"],
    "features embed": ["old.zarr", "--model", "cube-reach", "--method", "pca", "--out", "new.png"],
    "features synthesize": ["left", "--model", "cube-reach", "--steps", "2", "--out", "new.png"],
    "features dream": ["cat.png", "--model", "cube-reach", "--iterations", "1", "--out", "new.png"],
    "features project": ["cat.png", "--model", "cube-reach", "--out", "new.png"],
    "features attack": ["cat.png", "--model", "cube-reach", "--steps", "2", "--out", "new.png"],
}


@dataclass(frozen=True)
class Case:
    """A command with one thing wrong."""

    command: str
    option: str
    value: str
    arguments: list[str]


def options_of(command: Callable[..., None]) -> Iterator[tuple[str, Any]]:
    """The options of a command and of the dataclasses in its signature, with their types."""
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints.get(name, parameter.annotation)
        inner = get_args(kind)[0] if get_args(kind) and is_dataclass(get_args(kind)[0]) else kind
        if is_dataclass(inner):
            own = get_type_hints(inner)
            yield from ((each.name, own[each.name]) for each in fields(inner))
        elif parameter.kind is not parameter.POSITIONAL_ONLY:
            yield from [(_spelled(name, kind), kind)]


def _spelled(name: str, kind: Any) -> str:
    given = [getattr(each, "name", None) for each in getattr(kind, "__metadata__", ())]
    return next((each for each in given if isinstance(each, str)), name)


def cases() -> Iterator[Case]:
    """Every option of every command with every value that might not fit."""
    from rlvis.cli import COMMANDS, FEATURES

    for command, base in BASES.items():
        name = command.split()[-1]
        function = FEATURES[name] if command.startswith("features ") else COMMANDS[name]
        for option, kind in options_of(function):
            flag = "--" + option.replace("_", "-")
            for value in values_for(option, str(kind)):
                given = [value, value] if "tuple[int, int]" in str(kind) else [value]
                yield Case(command, flag, value, [*command.split(), *base, flag, *given])
        for place, word in enumerate(base):
            if place == 0 and not word.startswith("--"):
                for value in READ:
                    changed = [*command.split(), value, *base[1:]]
                    yield Case(command, "the first word", value, changed)


def values_for(option: str, kind: str) -> list[str]:
    if "bool" in kind:
        return []
    if "int" in kind or "float" in kind:
        return NUMBERS
    if option in ("out", "data", "video", "gif", "grid", "table", "index"):
        return PLACES
    if "Path" in kind:
        return READ
    return [*TEXTS, *READ]


def prepare() -> None:
    """Files to be given in the current folder."""
    import rlvis
    from rlvis_agents import load_policy

    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save("cat.png")
    Path("file").write_text("text")
    Path("empty").write_text("")
    Path("folder.png").mkdir()
    os.mkfifo("pipe.png")
    Path("circle.png").symlink_to("circle.png")
    policy = load_policy("cube-reach")
    rlvis.record(policy, "CubeReach-v0", methods=["cam"], max_steps=12, out="old.zarr")


def run(case: Case, folder: str) -> tuple[str, str]:
    """What came of a case, and the last line that it said."""
    said = Path(folder) / f".said-{os.getpid()}-{time.monotonic_ns()}"
    child = os.fork()
    if child == 0:
        _be(case, said)
    deadline, outcome = time.monotonic() + MOST_SECONDS, ""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        with contextlib.suppress(OSError, IndexError):
            pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
            if pages * os.sysconf("SC_PAGE_SIZE") > MOST_BYTES:
                outcome = "memory"
        if time.monotonic() > deadline:
            outcome = "hang"
        if outcome:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    text = said.read_text(errors="replace") if said.exists() else ""
    said.unlink(missing_ok=True)
    last = (text.strip().splitlines() or [""])[-1]
    if outcome:
        return outcome, last
    if os.WIFSIGNALED(status):
        return f"crash by signal {os.WTERMSIG(status)}", last
    code = os.WEXITSTATUS(status)
    if "Traceback" in text or code not in (0, 2):
        return "traceback", last
    return ("worked" if code == 0 else "explained"), last


def _be(case: Case, said: Path) -> None:
    """Be the command, in a process of its own."""
    from rlvis.cli import main

    work = tempfile.mkdtemp(dir=".")
    for each in Path().iterdir():
        if each.name[0] != "." and not each.name.startswith("tmp"):
            (Path(work) / each.name).symlink_to(each.absolute())
    os.chdir(work)
    handle = os.open(said, os.O_WRONLY | os.O_CREAT)
    for standard in (1, 2):
        os.dup2(handle, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(n, "w"), write_through=True) for n in (1, 2)
    )
    code = 0
    try:
        main(case.arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    os._exit(code)


def main() -> None:
    """Run all cases and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only commands that contain this")
    parser.add_argument("--show", action="store_true", help="show what each case said")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare_child = os.fork()
        if prepare_child == 0:
            prepare()
            os._exit(0)
        os.waitpid(prepare_child, 0)
        import torch  # here, so that no case has to

        torch.set_num_threads(1)
        counts: Counter[str] = Counter()
        for case in cases():
            if chosen.only not in case.command or "\0" in case.value:
                continue
            outcome, last = run(case, folder)
            counts[outcome] += 1
            fault = outcome not in ("worked", "explained")
            if fault or chosen.show:
                print(
                    f"{outcome}: rlvis {case.command} {case.option} {case.value[:60]!r}\n"
                    f"    {last[:200]}"
                )
        print(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
        os.chdir("/")


if __name__ == "__main__":
    main()
