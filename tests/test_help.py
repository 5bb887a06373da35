"""What the help of the commands says, and that it says so in the width of a screen."""

import re
import shlex
import subprocess
import sys

import pytest

import rlvis
from rlvis.cli import COMMANDS, FEATURES, main
from rlvis.cli.help_text import EXAMPLES

NAMES = [*(name for name in COMMANDS if name != "features"), *(f"features {n}" for n in FEATURES)]


def help_of(capsys, monkeypatch, name: str) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    return capsys.readouterr().out


def test_every_command_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command(capsys, monkeypatch, name) -> None:
    said = help_of(capsys, monkeypatch, name)
    assert f"Example: {EXAMPLES[name]}" in said
    options = said[said.index("options") :].splitlines()
    assert all(len(line.rstrip()) <= 80 for line in options)
    assert "{None}" not in said
    for option in re.findall(r" (--?[a-z-]+)", EXAMPLES[name]):
        assert re.search(rf"{option}\b", said), option
    assert shlex.split(EXAMPLES[name])[1 : 1 + len(name.split())] == name.split()


def test_lines_break_where_the_screen_ends(capsys, monkeypatch) -> None:
    """Not where those of the docstring do, which would leave words alone."""
    said = help_of(capsys, monkeypatch, "explain")
    assert any("several rows. Options follow a colon" in line for line in said.splitlines())


def test_the_version_is_told_without_loading_anything(capsys) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"rlvis {rlvis.__version__}\n"
    assert re.match(r"\d+\.\d+", rlvis.__version__)
    code = "import sys, rlvis; rlvis.__version__; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_none_is_still_a_value(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "missing.png", "--model", "cube-reach", "--window", "None"])
    assert "no file missing.png" in capsys.readouterr().err
