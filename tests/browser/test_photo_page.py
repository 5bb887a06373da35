"""The page of a classifier in a real browser: photos chosen, dropped, taken, and refused."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PHOTOS, Opened
from tests.browser.looking import pixels

LARGE = ".large .base"
DROP = """
    ([name, type, content, size]) => {
        const bytes = Uint8Array.from(atob(content), each => each.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([bytes, new Uint8Array(size)], name, {type}));
        for (const kind of ["dragover", "drop"]) {
            document.body.dispatchEvent(
                new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
        }
    }
"""


def drop(page: Any, path: Path, kind: str = "image/jpeg", more: int = 0) -> None:
    """Drop a file with some bytes more on the page."""
    page.evaluate(DROP, [path.name, kind, b64encode(path.read_bytes()).decode(), more])


def test_each_label_has_its_heatmap(opened: Opened, photos: str) -> None:
    page = opened("", photos, LARGE)
    page.wait_for_selector(".label:has-text('Egyptian cat')")
    assert page.locator(".label").count() == 5
    first = pixels(page, ".large .heat")
    assert first[..., 3].any()
    page.locator(".label").nth(3).click()
    page.wait_for_selector(".label:nth-child(4)[aria-pressed=true]")
    assert (pixels(page, ".large .heat") != first).any()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".label:has-text('espresso')")


def test_photos_are_chosen_and_dropped(opened: Opened, photos: str) -> None:
    page = opened("", photos, LARGE)
    page.wait_for_selector(".label:has-text('Egyptian cat')")
    page.set_input_files("input[type=file]", PHOTOS / "coffee.jpg")
    page.wait_for_selector(".label:has-text('espresso')")
    page.wait_for_selector(".where:text('3 of 3')")
    drop(page, PHOTOS / "cat.jpg")
    page.wait_for_selector(".label:has-text('Egyptian cat')")
    page.wait_for_selector(".where:text('4 of 4')")
    page.reload()
    page.wait_for_selector(".label:has-text('Egyptian cat')")


def test_photo_of_the_webcam(opened: Opened, photos: str) -> None:
    page = opened("", photos, LARGE)
    page.wait_for_selector(".label")
    page.click("text=Webcam")
    page.wait_for_selector(".where:text('3 of 3')")
    seen = pixels(page, LARGE)
    assert seen[..., :3].std() > 5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "may not use the webcam; allow it"),
        ("NotFoundError", "no webcam is connected"),
        ("NotReadableError", "in use by another program"),
    ],
)
def test_why_there_is_no_photo_of_the_webcam(
    name: str, words: str, opened: Opened, photos: str
) -> None:
    refuse = (
        "navigator.mediaDevices.getUserMedia = "
        f"() => Promise.reject(new DOMException('no', '{name}'));"
    )
    page = opened("", photos, LARGE, before=refuse)
    page.keyboard.press("w")
    page.wait_for_selector(f".toast.shown.failed:has-text('{words}')")


def test_what_is_no_photo_is_refused(opened: Opened, photos: str) -> None:
    page = opened("", photos, LARGE)
    page.wait_for_selector(".label:has-text('Egyptian cat')")
    drop(page, PHOTOS / "cat.jpg", more=20_000_000)
    page.wait_for_selector(".toast.failed:has-text('more than 20 MB; choose a smaller one')")
    drop(page, Path(__file__), "text/x-python")
    page.wait_for_selector("[role=status]:has-text('the photo is not a picture')")
    page.evaluate(
        """() => document.body.dispatchEvent(new DragEvent("drop",
            {dataTransfer: new DataTransfer(), bubbles: true, cancelable: true}))"""
    )
    page.wait_for_selector(".toast.failed:has-text('that was no picture')")
    assert page.locator(".label:has-text('Egyptian cat')").count() == 1
