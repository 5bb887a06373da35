"""Of every kind of page: it fits, can be used without a mouse, and says what it shows."""

from typing import Any

import pytest

from tests.browser.conftest import Opened

KINDS = ["address", "live", "photos"]
pytestmark = pytest.mark.parametrize("kind", KINDS)

CLIPPED = """() => {
    const isClipped = each => each.offsetParent && each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).textOverflow !== "ellipsis"
        && !each.closest(".film") && each.children.length === 0;
    const outside = each => {
        const box = each.getBoundingClientRect();
        return each.offsetParent && !each.closest(".scroll, .column, .film")
            && (box.right > innerWidth + 1 || box.bottom > innerHeight + 1);
    };
    const usable = [...document.querySelectorAll("button, input, select, h1, h2, h3, p, output")];
    return usable.filter(each => !each.closest(".hidden, .skip, dialog, .toast"))
        .filter(each => isClipped(each) || outside(each)).map(each => each.outerHTML.slice(0, 160));
}"""

OVERLAPPING = """() => {
    const shown = each => each.offsetParent && !each.closest(".handles, .marks, .picture");
    const boxes = [...document.querySelectorAll("button, input:not([hidden]), select")]
        .filter(shown).map(each => [each, each.getBoundingClientRect()]);
    const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1
        || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
    return boxes.flatMap(([one, a], place) => boxes.slice(place + 1)
        .filter(([other, b]) => !one.contains(other) && !apart(a, b)
            && one.closest(".scroll") === other.closest(".scroll"))
        .map(([other]) => one.outerHTML.slice(0, 90) + " over " + other.outerHTML.slice(0, 90)));
}"""


def open_kind(kind: str, opened: Opened, request: Any) -> Any:
    base = ".large .base" if kind == "photos" else ".frame .base"
    page = opened("", request.getfixturevalue(kind), base)
    page.wait_for_load_state("networkidle")
    return page


def test_all_fits_into_the_window(kind: str, opened: Opened, request: Any) -> None:
    page = open_kind(kind, opened, request)
    for view in range(page.locator("#views button").count()):
        page.keyboard.press(str(view + 1))
        for width, height in ((1000, 700), (1280, 800), (1600, 900), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(120)
            size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
            assert page.evaluate(size) == [width, height]
            assert page.evaluate(CLIPPED) == [], (view, width)
            assert page.evaluate(OVERLAPPING) == [], (view, width)


def test_what_can_be_used_has_a_name_and_a_role(kind: str, opened: Opened, request: Any) -> None:
    page = open_kind(kind, opened, request)
    for view in range(page.locator("#views button").count()):
        page.keyboard.press(str(view + 1))
        page.wait_for_timeout(200)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll(
                "button, input:not([hidden]), select, textarea, [role=slider], [role=img]")]
                .filter(each => !(each.ariaLabel || each.innerText?.trim() || each.title
                    || each.closest("label")?.innerText.trim()))
                .map(each => each.outerHTML)"""
        )
        assert not nameless
        missing = page.evaluate(
            """() => [...document.querySelectorAll("[aria-controls], [aria-labelledby]")]
                .flatMap(each => [each.getAttribute("aria-controls"),
                                  each.getAttribute("aria-labelledby")])
                .filter(id => id && !document.getElementById(id))"""
        )
        assert not missing
        doubled = page.evaluate(
            """() => [...document.querySelectorAll("[id]")].map(each => each.id)
                .filter((id, place, all) => all.indexOf(id) !== place)"""
        )
        assert not doubled


def test_focus_goes_round_and_is_seen(kind: str, opened: Opened, request: Any) -> None:
    page = open_kind(kind, opened, request)
    seen: list[str] = []
    for _ in range(90):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const each = document.activeElement;
                const { outlineStyle, outlineWidth } = getComputedStyle(each);
                const isSeen = outlineStyle !== "none" && outlineWidth !== "0px";
                return [each.outerHTML.slice(0, 120), isSeen, each.matches("body, .skip, main")];
            }"""
        )
        if found[0] in seen:
            break
        seen.append(found[0])
        assert found[1] or found[2], found[0]
    assert len(seen) > 12


def test_numbers_are_under_the_pointer(kind: str, opened: Opened, request: Any) -> None:
    page = open_kind(kind, opened, request)
    large = ".large .picture" if kind == "photos" else ".frame .picture"
    small = ".label canvas" if kind == "photos" else ".tile"
    for selector in (large, small):
        page.hover(selector)
        page.wait_for_selector("text=/x \\d+, y \\d+ · rgb \\d+ \\d+ \\d+ · heat /")
    page.keyboard.press("2")
    page.wait_for_selector(".unit[aria-pressed=true]")
    page.hover(".unit[aria-pressed=true]")
    page.wait_for_selector("text=/unit \\d+: .* mean .* at x \\d+, y \\d+ of the layer/")
    page.hover(".unit-details .large")
    page.wait_for_selector("text=/^[−\\d.e]+ here/")
    assert page.locator(".legend:not(.off):visible").first.inner_text().strip()


def test_what_is_shown_is_said(kind: str, opened: Opened, request: Any) -> None:
    page = open_kind(kind, opened, request)
    page.keyboard.press("t" if kind == "photos" else "ArrowRight")
    words = {"address": "step 1, takes ", "live": "step 1, would take ", "photos": "tiger cat 0."}
    page.wait_for_function(
        "words => document.querySelector('#said').textContent.startsWith(words)", arg=words[kind]
    )


def test_unit_is_held_and_explained(kind: str, opened: Opened, request: Any) -> None:
    page = open_kind(kind, opened, request)
    page.keyboard.press("2")
    page.wait_for_selector(".edit .bars .before:visible")
    before = page.inner_text(".edit")
    page.fill("input[aria-label='value of the unit']", "1000")
    page.wait_for_function(
        "before => document.querySelector('.edit').innerText !== before", arg=before
    )
    page.wait_for_selector(".patch")
    page.click("text=Explain it")
    name = "input[list=targets]"
    page.wait_for_function(f"() => document.querySelector('{name}').value.startsWith('unit:')")
    heat = ".large .heat" if kind == "photos" else ".frame .heat"
    page.wait_for_selector(f"{heat}:visible")
