"""What the README and the pages of docs/ tell people to type, done as it stands there.

By the language of a block: `sh` is run line by line; `python` is run, or with a title written into
the file of that name; `diff` changes the file in its title; the commands of `console` are only
parsed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GALLERY = ROOT / "docs" / "gallery.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]

COPIED = ("rlvis", "agents", "envs", "scripts", "tests", "docs/photos", "pyproject.toml")
QUICK = {
    "--steps 60000": "--steps 2048",
    "--episodes 20": "--episodes 3",
    "train_mnist.py": "train_mnist.py --epochs 1",
    " mnist ": " out/few.npz ",
}
"""What is shortened: a long run shows no more of whether a command is right."""

WRITES = re.compile(r"--(?:out|video|data|grid|gif|table|index) (\S+)")

RUN_COMMANDS = """
import glob, shlex, sys
from rlvis.cli import main
for line in sys.argv[1:]:
    words = shlex.split(line, comments=True)[1:]
    main([name for word in words for name in (sorted(glob.glob(word)) or [word])])
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: as written after the fence.
        title: the name of a file, or "".
        text: what is between the fences.
    """

    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines that say something."""
        return [line for line in self.text.splitlines() if line and not line.startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order."""
    found = re.findall(r"^```(\w*)(?: title=\"(.*?)\")?\n(.*?)^```$", page.read_text(), re.S | re.M)
    return [Block(*each) for each in found]


def copy_tree(folder: Path) -> None:
    """Put into a folder what a clone of the repository has, as far as pages use it."""
    for name in COPIED:
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    (folder / "out").mkdir()


def follow(block: Block, folder: Path) -> None:
    """Do what a block says."""
    path = folder / block.title
    if block.language == "diff":
        path.write_text(changed(path.read_text(), block.text))
    elif block.title:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif block.language == "python":
        run([sys.executable, "-W", "error::UserWarning", "-c", block.text], folder)
    elif block.language == "sh":
        follow_commands([shortened(line) for line in block.commands], folder)


def changed(text: str, changes: str) -> str:
    """A text with changes: lines that stay ( ), go (-) and come (+), places parted by @@.

    Raises:
        AssertionError: if a place is not there, or there twice.
    """
    for place in changes.split("@@\n"):
        lines = [line or " " for line in place.splitlines()]
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def follow_commands(commands: list[str], folder: Path) -> None:
    """Run commands in order, those of rlvis in one process; each must write what it names."""
    for ours, some in groupby(commands, lambda each: each.startswith("rlvis ")):
        group = list(some)
        if ours:
            run([sys.executable, "-P", "-c", RUN_COMMANDS, *group], folder)
        else:
            for each in group:
                run(shlex.split(each.replace("python ", f"{sys.executable} ", 1)), folder)
        for name in WRITES.findall(" ".join(group)):
            assert (folder / name).exists(), name


def shortened(command: str) -> str:
    """The command with less to do."""
    for long, short in QUICK.items():
        command = command.replace(long, short)
    return command


def run(command: list[str], folder: Path) -> None:
    """Run a command.

    Raises:
        AssertionError: if it fails.
    """
    paths = [str(folder / each) for each in ("", "envs", "agents")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"


def parse(command: str) -> None:
    """Read a command as `rlvis` does, without doing it.

    Raises:
        SystemExit: if there is no such command, or it does not take these options.
    """
    import tyro

    from rlvis.cli import COMMANDS, FEATURES

    words = shlex.split(command, comments=True)[1:]
    within = words[:1] == ["features"]
    name, *options = words[1:] if within else words
    asked = (FEATURES if within else COMMANDS)[name]
    tyro.extras.get_parser(asked, config=(tyro.conf.FlagCreatePairsOff,)).parse_args(options)
