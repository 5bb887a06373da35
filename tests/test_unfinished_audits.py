"""The file that keeps an unfinished audit: what is done where it is in the way."""

import json
from pathlib import Path
from typing import Any

import pytest

from rlvis import InputError
from rlvis.evaluation.scored_methods import ScoredMethods
from rlvis.interrupt import Stopped

SETTINGS: dict[str, Any] = {"policy": "it", "quick": True, "maps": "0d92"}


@pytest.fixture
def kept(tmp_path) -> Path:
    path = tmp_path / "a.unfinished.json"
    path.write_text(json.dumps({"settings": SETTINGS, "methods": {}}))
    return path


def test_an_unfinished_audit_is_not_written_over(kept) -> None:
    with pytest.raises(InputError, match=r"--resume .*, remove it, or name another file"):
        ScoredMethods(SETTINGS, kept, resume=False)
    ScoredMethods(SETTINGS, kept, resume=True)


def test_a_damaged_file_has_a_way_out(kept) -> None:
    kept.write_text(kept.read_text()[:-9])
    for resume in (True, False):
        with pytest.raises(InputError, match=r"remove it.*name another file \(--out\)"):
            ScoredMethods(SETTINGS, kept, resume=resume)


@pytest.mark.parametrize(
    ("name", "said"),
    [("policy", "another policy"), ("quick", "thoroughness"), ("maps", "of another seed, number")],
)
def test_another_audit_is_told_in_words(kept, name, said) -> None:
    with pytest.raises(InputError, match=f"keeps an audit of .*{said}") as told:
        ScoredMethods({**SETTINGS, name: "199f"}, kept, resume=True)
    assert "0d92" not in str(told.value)


def test_nothing_is_kept_where_nothing_is_scored(tmp_path) -> None:
    path = tmp_path / "b.json"
    scored = ScoredMethods(SETTINGS, path, resume=False)
    with pytest.raises(Stopped, match=r"with 0 methods scored$"), scored.kept():
        raise KeyboardInterrupt
    assert not path.exists()
