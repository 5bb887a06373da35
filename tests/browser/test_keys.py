"""Every key of the page does what its table says, and `h` shows that table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Opened

HEAT = "method=grad-cam&layer=&opacity=0.85&colour=0&heat=1&speed=10"
RECORDING = (
    "#view=recording&side=episodes&episode=1&step=12&methods=grad-cam,saliency"
    f"&target=chosen&norm=episode&{HEAT}"
)
LIVE = f"#view=live&seed=5&methods=grad-cam,saliency&target=margin&norm=episode&{HEAT}"
PHOTO = f"#view=photo&episode=0&label=0&target=top 5&norm=frame&{HEAT}"

FOCUS = "document.activeElement"
HELP = "document.querySelector('#help').open"


def on(selector: str, what: str = "value", value: object = None) -> str:
    """That an element says so."""
    found = f"document.querySelector('{selector}').{what}"
    return found if value is None else f"String({found}) === '{value}'"


def bar(name: str, value: object) -> str:
    """That a list or slider of the bar has a value."""
    return on(f'.controls [aria-label="{name}"]', "value", value)


def step(number: int) -> str:
    """That a step is shown."""
    return on(".plot", "ariaValueNow", number)


def shown(view: str) -> str:
    """That a view is shown."""
    return on(f"#view-{view}", "ariaSelected", "true")


def sent(what: str, **values: object) -> str:
    """That the page last asked the world for this."""
    said = [f"sent.{name} === {value!r}".replace("None", "null") for name, value in values.items()]
    return " && ".join([f"sent.do === '{what}'", *said])


LOOKS = {
    "0": on(".heat", "hidden"),
    "-": bar("opacity of the heat", 0.75),
    "+": bar("opacity of the heat", 0.95),
    "=": bar("opacity of the heat", 0.95),
    "c": on("button[title*=colour]", "ariaPressed", "true"),
    "Enter": f"{FOCUS} !== document.body",
    "Escape": f"{FOCUS} === document.body",
    "h": HELP,
    "?": HELP,
}
SPATIAL = {
    "l": bar("layer", "features.conv1"),
    "Shift+L": bar("layer", "features"),
    "m": bar("method", "saliency"),
    "Shift+M": bar("method", "saliency"),
    "t": on("input[list=targets]", "value", "left"),
    "x": bar("full strength", "frame"),
}
RECORDING_KEYS = {
    **LOOKS,
    **SPATIAL,
    "Space": on(".play", "ariaLabel", "pause"),
    "ArrowLeft": step(11),
    "ArrowRight": step(13),
    "Shift+ArrowLeft": step(2),
    "Shift+ArrowRight": "document.querySelector('.plot').ariaValueNow > 20",
    "Home": step(0),
    "End": "document.querySelector('.plot').ariaValueNow > 22",
    "<": on(".speed select", "value", 5),
    ">": on(".speed select", "value", 20),
    "n": f"!({step(12)})",
    "p": f"!({step(12)})",
    "]": on('[data-episode="2"]', "ariaCurrent", "true"),
    "[": on('[data-episode="0"]', "ariaCurrent", "true"),
    "/": f"{FOCUS}.type === 'search'",
    "b": on("#tab-bookmarks", "ariaSelected", "true"),
    "Shift+T": on("input[list=targets]", "value", "right"),
    "1": shown("recording"),
    "2": shown("units"),
    "3": shown("whatif"),
    "4": shown("compare"),
}
LIVE_KEYS = {
    **LOOKS,
    **SPATIAL,
    "Shift+T": on("input[list=targets]", "value", "right"),
    "ArrowLeft": sent("act", action="left"),
    "ArrowUp": sent("act", action="forward"),
    "ArrowRight": sent("act", action="right"),
    ".": sent("step"),
    "Space": sent("play", speed=10),
    "Backspace": sent("back"),
    "r": sent("reset", seed=None),
    "1": shown("live"),
    "2": shown("units"),
}
PHOTO_KEYS = {
    **LOOKS,
    "ArrowRight": on(".which .where", "innerText.startsWith('2 of')"),
    "ArrowLeft": on(".which .where", "innerText.startsWith('1 of')"),
    "o": "window.chose",
    "w": on(".which .where", "innerText", "3 of 3"),
    "m": bar("method", "grad-cam++"),
    "Shift+M": bar("method", "cam"),
    "t": on(".label:nth-child(2)", "ariaPressed", "true"),
    "Shift+T": on(".label:nth-child(5)", "ariaPressed", "true"),
    "l": on("select[aria-label=layer]", "selectedIndex", 1),
    "Shift+L": on("select[aria-label=layer]", "selectedIndex > 1"),
    "x": bar("full strength", "map"),
    "1": shown("photo"),
    "2": shown("units"),
}
BEFORE = {"p": "n", "Escape": "Enter", "1": "2", "ArrowLeft": "ArrowRight", "Backspace": "."}
"""What is pressed first, where a key does nothing from the start."""

WATCHED = """
    const send = WebSocket.prototype.send;
    window.sent = {};
    WebSocket.prototype.send = function (text) { window.sent = JSON.parse(text);
        return send.call(this, text); };
    addEventListener("click", ({target}) => { if (target.type === "file") window.chose = true; });
"""


def keys_of(page: Any) -> set[str]:
    """The keys that the page listens to."""
    rows = page.evaluate("import('/static/keys.js').then(keys => keys.boundKeys())")
    return {key for row in rows for key in row["keys"]}


def saved(page: Any) -> np.ndarray:
    """The picture that `s` saves."""
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename.endswith(".png")
    return np.asarray(Image.open(Path(download.value.path())).convert("RGB"))


def holds(page: Any, effect: str, key: str) -> None:
    """Wait for the effect of a key."""
    for _ in range(100):
        if page.evaluate(f"() => Boolean({effect})"):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{key} does not what it says: {effect}")


def go_back(page: Any, place: str) -> None:
    """The page as it was when it was opened."""
    page.evaluate(
        """place => new Promise(done => {
            document.querySelector("#help").close();
            document.activeElement.blur();
            const play = document.querySelector(".play[aria-label=pause]");
            if (play) play.click();
            history.replaceState(null, "", "#");
            const drawn = () => requestAnimationFrame(() => requestAnimationFrame(done));
            addEventListener("hashchange", drawn, {once: true});
            location.hash = place;
        })""",
        place,
    )
    page.wait_for_timeout(50)


@pytest.mark.parametrize(
    ("kind", "place", "effects"),
    [
        ("address", RECORDING, RECORDING_KEYS),
        ("live", LIVE, LIVE_KEYS),
        ("photos", PHOTO, PHOTO_KEYS),
    ],
)
def test_every_key_does_what_it_says(
    kind: str, place: str, effects: dict[str, str], opened: Opened, request: Any
) -> None:
    base = ".large .base" if kind == "photos" else ".frame .base"
    page = opened(place, request.getfixturevalue(kind), base, before=WATCHED)
    page.wait_for_function(f"() => !{on('.heat', 'hidden')}")
    assert keys_of(page) == {*effects, "s"}
    for key, effect in effects.items():
        go_back(page, place)
        page.wait_for_function(f"() => !{on('.heat', 'hidden')}")
        if key in BEFORE and not (key == "ArrowLeft" and kind != "photos"):
            page.keyboard.press(BEFORE[key])
            page.wait_for_timeout(60)
        page.keyboard.press(key)
        holds(page, effect, key)
    go_back(page, place)
    picture = saved(page)
    assert picture.shape[1] > 300
    assert picture.std() > 10


@pytest.mark.parametrize("kind", ["address", "live", "photos"])
def test_help_shows_the_table_of_the_page(kind: str, opened: Opened, request: Any) -> None:
    base = ".large .base" if kind == "photos" else ".frame .base"
    page = opened("", request.getfixturevalue(kind), base)
    page.keyboard.press("h")
    words = page.evaluate(
        "import('/static/keys.js').then(keys => keys.boundKeys().map(row => row.words))"
    )
    assert page.locator("#help dd").all_inner_texts() == words
    assert len(words) > 15
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")
