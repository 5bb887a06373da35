"""The inspector's page in a real browser: what it shows, what its keys do, whom it asks."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rlvis
from rlvis.cli import main
from rlvis_agents import load_policy

playwright = pytest.importorskip("playwright.sync_api", reason="the browser's driver is missing")
pytest.importorskip("uvicorn")

CHROMIUM = Path("/usr/bin/chromium")
POLICY = "cube-reach-distractors"
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium here")

Recorded = tuple[Path, rlvis.Recording]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    path = tmp_path_factory.mktemp("inspected") / "run.zarr"
    environment = "rlvis_envs:CubeReachDistractors-v0"
    rlvis.record(load_policy(POLICY), environment, episodes=3, methods=["cam"], out=path)
    return path, rlvis.Recording.open(path)


Served = Callable[..., str]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Starts `rlvis inspect` and says where it is."""
    with ExitStack() as running:

        def start(*arguments: str) -> str:
            command = [sys.executable, "-m", "rlvis.cli", "inspect", *arguments]
            command += ["--port", "0", "--no-browser"]
            server = running.enter_context(Popen(command, stdout=PIPE, text=True))
            running.callback(server.kill)
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the server does not say where it is"
            return found[0]

        yield start


@pytest.fixture(scope="module")
def address(served: Served, recorded: Recorded) -> str:
    return served(str(recorded[0]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Opened]:
    """Opens the page at a place; afterwards nothing may have left the machine or failed."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    asked: list[str] = []
    failed: list[str] = []
    origins = ["data:", "blob:"]
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: failed.append(str(error.error)))
    context.on("console", lambda said: failed.extend([said.text] if said.type == "error" else []))

    def go(place: str = "", at: str = address) -> Any:
        page = context.new_page()
        origins.append(at)
        page.goto(at + place)
        page.wait_for_selector(".plot[aria-valuemax]")
        page.wait_for_function("() => document.querySelector('.frame .base').width > 1")
        return page

    yield go
    context.close()
    elsewhere = [each for each in asked if not each.startswith(tuple(origins))]
    assert not elsewhere
    assert not failed


def step_of(page: Any) -> int:
    return int(page.get_attribute(".plot", "aria-valuenow"))


def wait_for_step(page: Any, step: int) -> None:
    page.wait_for_function(
        "step => document.querySelector('.plot').ariaValueNow === String(step)", arg=step
    )


def wait_for_hash(page: Any, **values: object) -> None:
    for name, value in values.items():
        page.wait_for_function(
            "([name, value]) => new URLSearchParams(location.hash.slice(1)).get(name) === value",
            arg=[name, str(value)],
        )


def pixels(page: Any, selector: str) -> np.ndarray:
    """What is on a canvas, uint8 (H, W, 4)."""
    width, height, content = page.evaluate(
        """selector => {
            const canvas = document.querySelector(selector);
            const {width, height} = canvas;
            const image = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [width, height, [...image.data]];
        }""",
        selector,
    )
    return np.array(content, np.uint8).reshape(height, width, 4)


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


START = (
    "#view=recording&side=episodes&episode=1&step=12&methods=grad-cam,saliency&method=grad-cam"
    "&target=chosen&layer=&norm=episode&opacity=0.85&colour=0"
)
HASH_KEYS = {
    "ArrowLeft": {"step": 11},
    "ArrowRight": {"step": 13},
    "Shift+ArrowLeft": {"step": 2},
    "Home": {"step": 0},
    "]": {"episode": 2, "step": 0},
    "[": {"episode": 0, "step": 0},
    "m": {"method": "saliency"},
    "Shift+M": {"method": "saliency"},
    "t": {"target": "left"},
    "Shift+T": {"target": "right"},
    "l": {"layer": "features.conv1"},
    "Shift+L": {"layer": "features"},
    "x": {"norm": "frame"},
    "-": {"opacity": 0.75},
    "+": {"opacity": 0.95},
    "=": {"opacity": 0.95},
    "c": {"colour": 1},
    "b": {"side": "bookmarks"},
    "1": {"view": "recording"},
    "2": {"view": "units"},
    "3": {"view": "whatif"},
    "4": {"view": "compare"},
}
OTHER_KEYS = {"Shift+ArrowRight", "End", "Space", "<", ">", "n", "p", "/", "0", "s", "h", "?"}
LIVE_KEYS = {"ArrowUp", ".", "Backspace", "r"}


def test_keys_go_where_they_say(opened: Opened) -> None:
    page = opened(START)
    for key, values in HASH_KEYS.items():
        page.evaluate("place => { location.hash = place; }", START)
        wait_for_step(page, 12)
        wait_for_hash(page, view="recording", norm="episode", opacity=0.85, target="chosen")
        page.keyboard.press(key)
        wait_for_hash(page, **values)


def test_other_keys(opened: Opened) -> None:
    page = opened(START)
    last = int(page.get_attribute(".plot", "aria-valuemax"))
    page.keyboard.press("End")
    wait_for_step(page, last)
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    wait_for_step(page, 10)
    page.keyboard.press(">")
    playwright.expect(page.locator(".speed select")).to_have_value("20")
    page.keyboard.press("<")
    playwright.expect(page.locator(".speed select")).to_have_value("10")
    page.keyboard.press("Space")
    wait_for_step(page, 12)
    page.keyboard.press("Space")
    page.wait_for_selector(".play[aria-label=play]")
    stopped = step_of(page)
    page.wait_for_timeout(300)
    assert step_of(page) == stopped
    page.keyboard.press("0")
    page.wait_for_selector(".frame canvas.heat", state="hidden")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("no such episode")
    page.wait_for_selector("text=no episode is like that")
    page.keyboard.press("Escape")
    page.wait_for_selector("text=3 of 3 episodes")


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


def test_help_shows_every_key_and_every_key_is_tested(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("h")
    shown = page.locator("#help dt").count()
    rows = page.evaluate(
        """async () => {
            const {keyTable} = await import("/static/keys.js");
            const views = [..."1234"].map(name => ({name, title: name}));
            return keyTable({at: {views}}).filter(row => row.keys).map(row => row.keys);
        }"""
    )
    assert shown == len(rows)
    page.keyboard.press("?")
    assert not page.is_visible("#help")
    assert {key for row in rows for key in row} == {*HASH_KEYS, *OTHER_KEYS, *LIVE_KEYS}


def test_place_is_kept(opened: Opened) -> None:
    page = opened(START)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    wait_for_hash(page, step=13, side="bookmarks")
    page.fill("textarea", "here it turns away")
    page.reload()
    page.wait_for_selector(".plot[aria-valuemax]")
    wait_for_step(page, 13)
    assert page.input_value("textarea") == "here it turns away"
    again = opened()
    wait_for_step(again, 13)
    wait_for_hash(again, episode=1)


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
    wait_for_step(page, int(page.get_attribute(".plot", "aria-valuemax")))
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


def test_all_fits_into_the_window(opened: Opened) -> None:
    page = opened("#episode=0")
    for key in "1234":
        page.keyboard.press(key)
        for width in (1000, 1440, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(100)
            size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
            assert page.evaluate(size) == [width, 800]


def test_everything_that_can_be_used_has_a_name(opened: Opened) -> None:
    page = opened()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, [role=slider]")]
            .filter(each => !(each.ariaLabel || each.innerText?.trim() || each.title
                || each.closest("label")?.innerText.trim()))
            .map(each => each.outerHTML)"""
    )
    assert not nameless
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.querySelector('#said').textContent.startsWith('step 1, ')"
    )


def test_what_went_wrong_is_said(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.route("**/api/info", lambda route: route.abort())
    page.goto(address)
    page.wait_for_selector("text=is `rlvis inspect` still running?")
    page.unroute("**/api/info")
    page.click("text=Try again")
    page.wait_for_selector(".plot[aria-valuemax]")
    page.close()


def test_live_world_is_driven_and_changed(opened: Opened, served: Served) -> None:
    page = opened(at=served("--live", "--policy", POLICY))
    page.wait_for_selector(".handle[aria-label^=cube]")

    def said(words: str) -> None:
        page.wait_for_function(
            "words => document.querySelector('#place').innerText.includes(words)", arg=words
        )

    def changed() -> str:
        return str(page.inner_text(".group:has(h3:text-is('Changed')) p"))

    said("live step 0")
    for step, key in enumerate(("ArrowLeft", "ArrowUp", "ArrowRight", "."), 1):
        page.keyboard.press(key)
        said(f"step {step},")
    page.keyboard.press("Backspace")
    said("step 3,")
    assert changed() == "nothing"
    before = pixels(page, ".plan .base")
    handle = page.locator(".handle[aria-label^=cube]").bounding_box()
    x, y = handle["x"] + 15, handle["y"] + 15
    plan = page.locator(".plan .picture").bounding_box()
    middle = (plan["x"] + plan["width"] / 2, plan["y"] + plan["height"] / 2)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(*middle, steps=8)
    page.mouse.up()
    page.wait_for_selector("text=/^cube at/")
    page.wait_for_timeout(200)
    handle = page.locator(".handle[aria-label^=cube]").bounding_box()
    assert abs(handle["x"] + 15 - middle[0]) < 4
    assert abs(handle["y"] + 15 - middle[1]) < 4
    assert (pixels(page, ".plan .base") != before).any()
    page.select_option("select[aria-label=colour]", "blue")
    page.wait_for_selector("text=/cube blue/")
    page.click("text=Undo all")
    page.wait_for_selector("p:text-is('nothing')")
    page.keyboard.press("Space")
    said("runs")
    page.keyboard.press("Space")
    said("live")
    page.keyboard.press("r")
    said("step 0,")


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
    wait_for_step(page, int(page.get_attribute(".plot", "aria-valuemax")))
    assert "failed" not in (page.get_attribute("#toast", "class") or "")


def test_photo_has_a_heatmap_for_each_label(browser: Any, served: Served) -> None:
    photos = Path(__file__).parents[1] / "docs/photos"
    address = served("--model", "efficientnet-lite0", "--photo", str(photos / "cat.jpg"))
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_selector(".label:has-text('Egyptian cat')")
    assert page.locator(".label").count() == 5
    page.set_input_files("input[type=file]", photos / "coffee.jpg")
    page.wait_for_selector(".label:has-text('espresso')")
    first = pixels(page, ".large .heat")
    assert first[..., 3].any()
    page.locator(".label").nth(1).click()
    page.wait_for_selector(".label:nth-child(2)[aria-pressed=true]")
    assert (pixels(page, ".large .heat") != first).any()
    page.set_input_files("input[type=file]", Path(__file__))
    page.wait_for_selector("text=the photo is not a picture")
    page.close()
