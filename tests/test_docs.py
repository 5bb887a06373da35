"""The README and the pages of docs/ are followed literally, and their pictures and links exist."""

import re
from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize("page", RUN, ids=name_of)
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


def test_pages_are_found() -> None:
    assert README in RUN
    assert GALLERY in PAGES
    assert len(RUN) >= 8
    assert len(COMMANDS) >= 7
