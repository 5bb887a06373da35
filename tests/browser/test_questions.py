"""The four questions of the guide, each asked by the keyboard alone and by the mouse alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rlvis
from rlvis_agents import load_policy
from tests.browser.conftest import Opened, Served
from tests.browser.looking import pixels, wait_for_step

WORLD = "rlvis_envs:CubeReachChoice-v0"
SHORTCUT = "cube-reach-choice-shortcut"


@pytest.fixture(scope="module")
def choices(served: Served, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """The page of some episodes of a left-or-right decision, and the recording."""
    path = tmp_path_factory.mktemp("asked") / "choice.zarr"
    policy = load_policy("cube-reach-choice")
    rlvis.record(policy, WORLD, episodes=8, methods="none", out=path)
    return served(str(path)), rlvis.Recording.open(path)


def tab_to(page: Any, selector: str) -> None:
    """Tab until an element has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} is not reached by Tab")


def turning_left(recording: Any) -> tuple[int, int]:
    """The first step at which it turns left."""
    for number in range(len(recording)):
        steps = np.flatnonzero(recording.numbers(number).actions == 0)
        if len(steps):
            return number, int(steps[0])
    raise AssertionError("it never turns left")


def why_left_by_keys(page: Any, episode: int, step: int) -> None:
    for _ in range(episode):
        page.keyboard.press("]")
    for _ in range(step):
        page.keyboard.press("ArrowRight")
    for _ in range(12):
        if page.input_value("input[list=targets]") == "left":
            break
        page.keyboard.press("t")
        page.wait_for_timeout(40)


def why_left_by_mouse(page: Any, episode: int, step: int) -> None:
    page.click(f"tr[data-episode='{episode}']")
    page.wait_for_selector(f"tr[data-episode='{episode}'][aria-current]")
    for _ in range(step):
        page.click("button[aria-label='a step on (→)']")
    page.click(".tile[aria-label^='cam of left']")


@pytest.mark.parametrize("ask", [why_left_by_keys, why_left_by_mouse])
def test_why_left_here(ask: Callable[..., None], choices: Any, opened: Opened) -> None:
    address, recording = choices
    page = opened("#episode=0&step=0&methods=cam&method=cam", address)
    episode, step = turning_left(recording)
    ask(page, episode, step)
    wait_for_step(page, step)
    page.wait_for_selector(".frame header:has-text('cam of left')")
    page.wait_for_selector(".taken:has-text('left')")
    page.wait_for_selector(".frame:not(.waiting)")
    heat = pixels(page, ".frame .heat").astype(int)
    world = recording.make_environment()
    world.reset(seed=recording.numbers(episode).seed)
    mask = world.unwrapped.object_mask("marker") if step == 0 else None
    amber = heat[..., 3] * (heat[..., 0] > heat[..., 2])
    assert amber.max() > 100
    if mask is not None and mask.any():
        fine = heat.shape[0] // mask.shape[0]
        on = np.kron(mask, np.ones((fine, fine), bool))
        assert amber[on].mean() > 2 * amber[~on].mean()


def units_by_keys(page: Any) -> None:
    page.keyboard.press("2")
    page.wait_for_selector(".unit[aria-pressed=true]")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")


def units_by_mouse(page: Any) -> None:
    page.click("#view-units")
    page.wait_for_selector(".unit[aria-pressed=true]")
    page.locator(".unit").nth(3).click()


@pytest.mark.parametrize("ask", [units_by_keys, units_by_mouse])
def test_what_does_this_unit_see(ask: Callable[[Any], None], choices: Any, opened: Opened) -> None:
    page = opened("#episode=0&step=0", choices[0])
    ask(page)
    page.wait_for_selector(".patch")
    page.wait_for_selector(".edit .bars .before:visible")
    chosen = page.inner_text(".unit[aria-pressed=true]")
    assert page.inner_text("#unit-title").startswith(f"Unit {chosen} of ")
    assert pixels(page, ".patch canvas").std() > 5


def blue_by_keys(page: Any) -> None:
    tab_to(page, "select[aria-label=object]")
    page.keyboard.type("marker")
    tab_to(page, "select[aria-label=colour]")
    page.keyboard.type("blue")


def blue_by_mouse(page: Any) -> None:
    page.click(".handle[aria-label^=marker]")
    page.select_option("select[aria-label=colour]", "blue")


@pytest.mark.parametrize("ask", [blue_by_keys, blue_by_mouse])
def test_what_if_the_marker_were_blue(
    ask: Callable[[Any], None], live: str, opened: Opened
) -> None:
    page = opened("#seed=0", live)
    page.wait_for_selector("text=/^right; value/")
    ask(page)
    page.wait_for_selector("text=/^marker blue/")
    page.wait_for_selector("text=The marks show π before the changes.")
    assert "1.00 → 0.00" in page.inner_text(".world .bars")
    assert not page.is_visible("text=/^right; value/")


def compared_by_keys(page: Any) -> None:
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.keyboard.type(SHORTCUT)
    page.keyboard.press("Enter")


def compared_by_mouse(page: Any) -> None:
    page.click("#view-compare")
    page.fill(".compare input", SHORTCUT)
    page.click(".compare .ask button:text-is('Compare')")


@pytest.mark.parametrize("ask", [compared_by_keys, compared_by_mouse])
def test_where_does_the_other_part_from_this_one(
    ask: Callable[[Any], None], choices: Any, opened: Opened
) -> None:
    address, recording = choices
    other = load_policy(SHORTCUT)
    pair = rlvis.compare(recording, other, episodes=[0]).pairs[0]
    page = opened("#episode=0&step=0", address)
    ask(page)
    page.wait_for_selector(".compared", state="visible")
    assert pair.parting is not None
    wait_for_step(page, pair.parting)
    assert f"parts at step {pair.parting}" in page.inner_text(".compare [role=status]")
