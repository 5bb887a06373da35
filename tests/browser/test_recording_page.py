"""The page of a recording in a real browser: what it shows, and whom it asks."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.cli import main
from rlvis_agents import load_policy
from tests.browser.conftest import POLICY, Opened
from tests.browser.looking import Recorded, pixels, wait_for_hash, wait_for_step


def test_pixels_are_those_of_the_recording(opened: Opened, recorded: Recorded) -> None:
    for episode, step in ((0, 0), (2, 7), (1, 3)):
        page = opened(f"#episode={episode}&step={step}&colour=1")
        wait_for_step(page, step)
        page.keyboard.press("0")
        page.wait_for_selector(".frame canvas.heat", state="hidden")
        seen = recorded[1].observations(episode, slice(step, step + 1))[0]
        page.wait_for_timeout(100)
        np.testing.assert_array_equal(pixels(page, ".frame .base")[..., :3], seen)


def test_heat_is_where_the_map_is(opened: Opened, recorded: Recorded) -> None:
    page = opened("#episode=0&step=4&method=cam&methods=cam&target=left&norm=map&opacity=0.5")
    page.wait_for_selector(".frame:not(.waiting)")
    drawn = pixels(page, ".frame .heat").astype(float)
    run = slice(4, 5)
    found = recorded[1].explained(0, run, ["cam"], ["left"], policy=load_policy(POLICY))["cam"]
    heat, limit = found.maps[0, 0], np.quantile(np.abs(found.maps), 0.995)
    size = (drawn.shape[1], drawn.shape[0])
    whole = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR)) / limit
    opaque = 255 * 0.5 * np.abs(whole).clip(0, 1) ** 0.8
    assert np.abs(drawn[..., 3] - opaque).mean() < 4
    amber, blue = whole > 0.1, whole < -0.1
    assert amber.any() or blue.any()
    assert (drawn[amber][:, 0] > drawn[amber][:, 2]).all()
    assert (drawn[blue][:, 2] > drawn[blue][:, 0]).all()


def test_moments_one_after_another(opened: Opened) -> None:
    page = opened("#episode=0&step=0")
    moments = page.evaluate("fetch('/api/moments?most=60').then(answer => answer.json())")
    places = sorted({(each["episode"], each["step"]) for each in moments} - {(0, 0)})
    assert places
    page.keyboard.press("n")
    wait_for_hash(page, episode=places[0][0], step=places[0][1])
    for episode, step in places[1:3]:
        page.keyboard.press("n")
        wait_for_hash(page, episode=episode, step=step)
    page.keyboard.press("p")
    wait_for_hash(page, episode=places[1][0], step=places[1][1])


def test_place_is_kept(opened: Opened) -> None:
    page = opened("#episode=1&step=12&methods=grad-cam,saliency&method=grad-cam")
    wait_for_step(page, 12)
    page.keyboard.press("b")
    page.fill("textarea", "here it turns away")
    page.keyboard.press("Escape")
    for step in (13, 14, 15):
        page.keyboard.press("ArrowRight")
        page.reload()
        wait_for_step(page, step)
    assert page.input_value("textarea") == "here it turns away"
    again = opened()
    wait_for_step(again, 15)
    wait_for_hash(again, episode=1)
    elsewhere = opened("#episode=0&step=2")
    wait_for_step(elsewhere, 2)


def test_view_that_is_not_there_is_the_first(opened: Opened) -> None:
    page = opened("#view=audit&episode=0&step=1")
    wait_for_hash(page, view="recording")
    page.evaluate("location.hash = '#view=audit&episode=0&step=2'")
    wait_for_step(page, 2)
    assert page.get_attribute("#view-recording", "aria-selected") == "true"


COUNTED = """
    window.drawn = {};
    for (const name of ["putImageData", "drawImage", "stroke"]) {
        const draw = CanvasRenderingContext2D.prototype[name];
        CanvasRenderingContext2D.prototype[name] = function (...given) {
            window.drawn[name] = (window.drawn[name] ?? 0) + 1;
            return draw.apply(this, given);
        };
    }
"""


def test_only_what_changed_is_drawn(opened: Opened) -> None:
    page = opened("#episode=1&step=3&methods=cam&method=cam", before=COUNTED)

    def drawn(*keys: str) -> dict[str, int]:
        """What is drawn for some keys, once nothing more is drawn for what came before."""
        page.wait_for_load_state("networkidle")
        while page.evaluate("Object.keys(window.drawn).length"):
            page.evaluate("window.drawn = {}")
            page.wait_for_timeout(250)
        for key in keys:
            page.keyboard.press(key)
            page.wait_for_timeout(80)
        return dict(page.evaluate("window.drawn"))

    tiles = page.locator(".method .tile").count()
    once = drawn("ArrowRight")
    assert "stroke" not in once
    assert once["drawImage"] <= 2 * tiles
    assert once["putImageData"] <= tiles + 4
    page.keyboard.press("]")
    page.wait_for_function("() => window.drawn.stroke")
    assert "putImageData" not in drawn("b", "b", ">")


def test_scrubbing_asks_for_nothing(opened: Opened) -> None:
    page = opened("#episode=0&step=0&methods=cam&method=cam")
    page.wait_for_selector(".frame:not(.waiting)")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    box = page.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + 110, box["y"] + 20)
    page.mouse.down()
    for share in np.linspace(0.1, 0.999, 30):
        page.mouse.move(box["x"] + 96 + (box["width"] - 96) * share, box["y"] + 20)
    page.mouse.up()
    wait_for_step(page, int(page.get_attribute(".timeline .plot", "aria-valuemax")))
    assert not asked


def test_episodes_sorted_filtered_and_opened_by_keyboard(opened: Opened) -> None:
    page = opened("#episode=0")
    page.click("th button:has-text('steps')")
    steps = [int(each) for each in page.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert steps == sorted(steps, reverse=True)
    page.fill("input[type=search]", f"steps > {min(steps)}")
    assert page.locator("tbody tr").count() == sum(each > min(steps) for each in steps)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    second = page.locator("tbody tr").nth(1).get_attribute("data-episode")
    wait_for_hash(page, episode=second)


def test_nothing_jumps(opened: Opened) -> None:
    page = opened("#episode=0&step=0")
    page.wait_for_selector(".frame:not(.waiting)")

    def places() -> list[Any]:
        parts = page.locator(".panel, .picture, .plot, .controls, .transport")
        boxes = [parts.nth(place).bounding_box() for place in range(parts.count())]
        return [{name: round(value) for name, value in box.items()} for box in boxes]

    before = places()
    for key in ("ArrowRight", "m", "End", "0", "0", "c", "x"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        assert places() == before


def test_what_went_wrong_is_said(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.route("**/api/info", lambda route: route.abort())
    page.goto(address)
    page.wait_for_selector("text=is `rlvis inspect` still running?")
    page.unroute("**/api/info")
    page.click("text=Try again")
    page.wait_for_selector(".plot[aria-valuemax]")
    page.close()


def test_exported_file_works_from_disk(opened: Opened, recorded: Recorded, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    main(["export", str(recorded[0]), "--html", str(path), "--episode", "1"])
    page = opened("#colour=1&step=5", path.as_uri())
    wait_for_step(page, 5)
    assert page.locator("tbody tr").count() == 1
    page.wait_for_selector(".frame:not(.waiting)")
    assert pixels(page, ".frame .heat")[..., 3].any()
    page.keyboard.press("0")
    page.wait_for_selector(".frame canvas.heat", state="hidden")
    seen = recorded[1].observations(1, slice(5, 6))[0]
    np.testing.assert_array_equal(pixels(page, ".frame .base")[..., :3], seen)
    page.keyboard.press("End")
    wait_for_step(page, int(page.get_attribute(".timeline .plot", "aria-valuemax")))
    assert "failed" not in (page.get_attribute("#toast", "class") or "")


def test_episode_is_saved_as_one_file_with_its_bookmarks(opened: Opened, tmp_path: Path) -> None:
    page = opened("#episode=1&step=4&methods=cam&method=cam&side=bookmarks")
    page.keyboard.press("b")
    page.fill("textarea", "here it looks away")
    with page.expect_download() as download:
        page.click("text=Save the episode as one file")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    alone = opened("#episode=1&step=4", path.as_uri())
    alone.wait_for_selector(".frame:not(.waiting)")
    alone.click("#tab-bookmarks")
    assert alone.input_value("textarea") == "here it looks away"
    assert alone.locator("tbody tr").count() == 1
