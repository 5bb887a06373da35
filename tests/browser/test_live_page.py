"""The page of a world that runs, in a real browser: it is driven, changed and changed back."""

from typing import Any

from tests.browser.conftest import Opened
from tests.browser.looking import pixels


def said(page: Any, words: str) -> None:
    """Until the head of the page says so."""
    page.wait_for_function(
        "words => document.querySelector('#place').innerText.includes(words)", arg=words
    )


def middle(page: Any, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_world_is_driven_and_changed(opened: Opened, live: str) -> None:
    page = opened("#seed=5", live)
    said(page, "live step 0, return 0, seed 5")
    for step, key in enumerate(("ArrowLeft", "ArrowUp", "ArrowRight", "."), 1):
        page.keyboard.press(key)
        said(page, f"step {step},")
    page.keyboard.press("Backspace")
    said(page, "step 3,")
    page.wait_for_selector(".changed:text-is('nothing is changed')")
    before = pixels(page, ".plan .base")
    to = middle(page, ".plan .picture")
    page.mouse.move(*middle(page, '.handle[aria-label^="left cube"]'))
    page.mouse.down()
    page.mouse.move(*to, steps=8)
    page.mouse.up()
    page.wait_for_selector("text=/^left cube at/")
    page.wait_for_timeout(300)
    x, y = middle(page, '.handle[aria-label^="left cube"]')
    assert abs(x - to[0]) < 4
    assert abs(y - to[1]) < 4
    assert (pixels(page, ".plan .base") != before).any()
    page.click("button:text-is('Undo')")
    page.wait_for_selector(".changed:text-is('nothing is changed')")
    page.wait_for_timeout(100)
    assert (pixels(page, ".plan .base") == before).all()
    page.keyboard.press("Space")
    said(page, "runs")
    page.keyboard.press("Space")
    said(page, "live")
    page.keyboard.press("r")
    said(page, "step 0,")


def test_what_if_the_marker_were_blue(opened: Opened, live: str) -> None:
    page = opened("#seed=5", live)
    said(page, "seed 5")
    seen = pixels(page, ".plan .base")
    page.select_option("select[aria-label=object]", "marker")
    page.select_option("select[aria-label=colour]", "blue")
    page.wait_for_selector("text=/^marker blue/")
    page.wait_for_selector("text=The marks show π before the changes.")
    assert page.locator(".world .bars .before:visible").count() == 3
    assert (pixels(page, ".plan .base") != seen).any()
    page.click("text=Undo all")
    page.wait_for_selector(".changed:text-is('nothing is changed')")
    assert page.locator(".world .bars .before:visible").count() == 0


def test_world_is_used_by_keyboard_alone(opened: Opened, live: str) -> None:
    page = opened("#seed=5", live)
    said(page, "seed 5")
    handle = page.locator(".handle[aria-label^=marker]")
    while not handle.evaluate("each => each === document.activeElement"):
        page.keyboard.press("Tab")
    before = middle(page, ".handle[aria-label^=marker]")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
        page.wait_for_timeout(60)
    page.wait_for_selector("text=/^marker at/")
    assert middle(page, ".handle[aria-label^=marker]")[1] < before[1]
    said(page, "step 0,")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    said(page, "step 1,")


def test_world_starts_from_the_same_seed_again(opened: Opened, live: str) -> None:
    page = opened("#seed=1234", live)
    said(page, "seed 1234")
    seen = pixels(page, ".plan .base")
    page.keyboard.press("m")
    page.reload()
    said(page, "seed 1234")
    page.wait_for_function("() => document.querySelector('.plan .base').width > 300")
    assert (pixels(page, ".plan .base") == seen).all()
    assert page.input_value("select[aria-label=method]") == "saliency"


def test_line_that_breaks_is_told(opened: Opened, live: str) -> None:
    gone = """
        const Line = WebSocket;
        window.WebSocket = class extends Line {
            constructor(...given) { super(...given); window.line = this; }
        };
    """
    page = opened("#seed=5", live, before=gone)
    said(page, "live step 0")
    page.evaluate("window.line.close()")
    said(page, "the line is closed")
    page.click("text=Open anew")
    said(page, "live step 0")
