"""The README and the pages of docs/ are followed literally, and their pictures and links exist."""

import importlib
import re
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml

from scripts.run_notebook import NOTEBOOK, run, slim
from tests.pages import GALLERY, PAGES, README, ROOT, blocks_of, copy_tree, follow, parse

RUN = [page for page in PAGES if any(each.language in ("sh", "python") for each in blocks_of(page))]
COMMANDS = sorted(
    {
        line
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "console"
        for line in block.commands
        if line.startswith("rlvis ")
    }
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


FOLLOWED = [
    pytest.param(page, id=name_of(page), marks=() if page == README else pytest.mark.long)
    for page in RUN
]


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_can_be_followed(page, tmp_path) -> None:
    copy_tree(tmp_path)
    from rlvis.features import mnist

    digits = mnist()
    few = range(0, len(digits), 20)
    np.savez(
        tmp_path / "out" / "few.npz",
        images=np.stack([digits.picture(index) for index in few]),
        labels=digits.labels[list(few)],
    )
    for block in blocks_of(page):
        follow(block, tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_are_only_shown_can_be_read(command) -> None:
    parse(command)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pictures_are_there_and_say_what_they_show(page) -> None:
    for text, picture in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text()):
        assert len(text) > 10
        assert (page.parent / picture).stat().st_size > 1_000


def test_under_each_picture_of_the_gallery_stands_its_command() -> None:
    text = GALLERY.read_text()
    under = re.findall(r"^!\[.*?\]\((.*?)\)\n\n```console\n(rlvis features .*)\n```", text, re.M)
    assert len(under) == text.count("![") >= 15


def test_pages_are_found() -> None:
    assert README in RUN
    assert GALLERY in PAGES
    assert len(RUN) >= 8
    assert len(COMMANDS) >= 7


def test_the_notebook_runs_and_shows_what_it_showed() -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    shown = [_forms(cell) for cell in kept.cells]
    assert shown == [_forms(cell) for cell in slim(run(kept)).cells]
    assert ["image/jpeg", "text/plain"] in [form for forms in shown for form in forms]


def _forms(cell) -> list[list[str]]:
    return [sorted(output.data) for output in cell.get("outputs", ())]


def test_the_tree_has_what_the_architecture_page_names() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where is")[2]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(.*?)`", row)
        paths = [each for each in named if "/" in each]
        tops = [ROOT, ROOT / "agents", ROOT / "envs"]
        found = [top / each for each in paths for top in tops if (top / each).exists()]
        assert len(found) == len(paths) > 0, row
        beside = [each for each in named if each.endswith(".py") and "/" not in each]
        assert all((found[0].parent / each).exists() for each in beside), row
        names = set(named) - set(paths) - set(beside)
        text = "".join(each.read_text() for each in found if each.is_file())
        assert all(each.removesuffix(", …)") in text for each in names), row


@pytest.mark.parametrize(
    ("package", "page"),
    [("rlvis", "rlvis"), ("rlvis.features", "features"), ("rlvis_agents", "agents")],
)
def test_every_public_name_is_in_the_reference(package, page) -> None:
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
    for name in importlib.import_module(package).__all__:
        assert re.search(rf"^::: rlvis\S*\.{name}$", text, re.M), name


def test_the_citation_says_the_version_of_the_package() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= set(cited)
    assert cited["version"] == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()
