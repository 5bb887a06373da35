"""Every command and every program of the README runs as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]
SHORTENED = {"--steps 60000": "--steps 2048", "--episodes 20": "--episodes 3"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the README's photos, in which the commands run one after the other."""
    folder = tmp_path_factory.mktemp("tour")
    shutil.copytree(ROOT / "docs" / "photos", folder / "docs" / "photos")
    (folder / "out").mkdir()
    return folder


def run(command: list[str] | str, folder: Path) -> str:
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.xdist_group("readme")
def test_the_commands_of_the_tour_run_in_order(folder) -> None:
    assert len(COMMANDS) >= 7
    for command in COMMANDS:
        for long, short in SHORTENED.items():
            command = command.replace(long, short)
        printed = run(command, folder)
        assert shlex.split(command)[0] == "rlvis"
        for name in re.findall(r"--out (\S+)|--video (\S+)", command):
            assert (folder / (name[0] or name[1])).exists(), command
        assert printed


@pytest.mark.xdist_group("readme")
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_programs_run(folder, number) -> None:
    run([sys.executable, "-W", "error::UserWarning", "-c", blocks("python")[number]], folder)


def test_the_pictures_are_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).stat().st_size > 10_000
