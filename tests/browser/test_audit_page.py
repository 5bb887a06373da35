"""What an audit found, in a real browser: beside the maps, and as a view of its own."""

from pathlib import Path
from typing import Any

import pytest

import rlvis
from rlvis.cli import main
from rlvis_agents import load_policy
from tests.browser.conftest import POLICY, Opened, Served
from tests.browser.looking import Recorded, wait_for_hash

WORLD = "rlvis_envs:CubeReachDistractors-v0"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, rlvis.Audit]:
    plan = rlvis.AuditPlan(frames=12, methods=("cam",), decisions=0, episodes=12, quick=True)
    found = rlvis.audit(load_policy(POLICY), WORLD, plan=plan)
    return found.save(tmp_path_factory.mktemp("audited") / "audit.html"), found


def see_it(page: Any, found: rlvis.Audit) -> None:
    """The verdict beside the map; then the page of the audit, and by a key back again."""
    said = found.verdicts["cam"]
    badge = page.locator(".method[aria-label=cam] .verdict")
    assert badge.inner_text() == f"believe? {said.word}"
    assert badge.get_attribute("title").endswith(said.reason)
    page.click("text=May I believe it?")
    frame = page.frame_locator("iframe")
    frame.get_by_text("Which maps can be believed").wait_for()
    assert frame.locator("h1").inner_text() == f"May I believe the picture? {POLICY}"
    assert frame.locator("#rlvis-audit").count() == 0
    assert page.evaluate("[scrollX, document.documentElement.scrollWidth - innerWidth]") == [0, 0]
    frame.locator("h1").click()
    page.keyboard.press("1")
    page.wait_for_selector(".frame .base")


def test_it_is_part_of_the_exported_file(
    opened: Opened, recorded: Recorded, audited: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run.html"
    main(["export", str(recorded[0]), "--html", str(path), "--audit", str(audited[0])])
    page = opened("", path.as_uri())
    see_it(page, audited[1])
    wait_for_hash(page, view="recording")


def test_it_is_served_with_a_recording(
    opened: Opened, served: Served, recorded: Recorded, audited: Any
) -> None:
    page = opened("", served(str(recorded[0]), "--audit", str(audited[0])))
    page.set_viewport_size({"width": 1000, "height": 700})
    page.locator(".verdict .asked").first.wait_for(state="hidden")
    page.set_viewport_size({"width": 1440, "height": 900})
    see_it(page, audited[1])


def test_it_is_there_live(opened: Opened, served: Served, audited: Any) -> None:
    page = opened("", served("--live", "--policy", POLICY, "--audit", str(audited[0])))
    see_it(page, audited[1])


def test_what_its_file_holds_runs_nothing(
    browser: Any, recorded: Recorded, audited: Any, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.html"
    trick = "<h2 id=trick>changed</h2><script>parent.document.title = 'ran'</script>"
    trick += "<img src=x onerror=\"parent.document.title = 'ran'\">"
    text = audited[0].read_text("utf-8")
    changed.write_text(text.replace('<div class="rlvis">', f'<div class="rlvis">{trick}'), "utf-8")
    path = tmp_path / "run.html"
    main(["export", str(recorded[0]), "--html", str(path), "--audit", str(changed)])
    page = browser.new_page()
    page.goto(path.as_uri())
    page.click("text=May I believe it?")
    page.frame_locator("iframe").locator("#trick").wait_for()
    page.wait_for_timeout(200)
    assert page.title().endswith("rlvis")
    page.close()
