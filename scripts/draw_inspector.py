"""Draw the pictures of the inspector: its page in Chromium, asked the questions of the guide.

python -m scripts.draw_inspector
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import rlvis
from rlvis_agents import load_policy
from scripts.benchmark_inspector import served

DOCS = Path(__file__).parent.parent / "docs"
CHROMIUM = "/usr/bin/chromium"
POLICY = "cube-reach-choice"
WORLD = "rlvis_envs:CubeReachChoice-v0"
SIZE: Any = {"width": 1440, "height": 860}
QUALITY = 84


def main() -> None:
    """Write the pictures of the README and of docs/how-to/inspector.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCS)
    out = parser.parse_args().out
    (out / "how-to").mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, browser() as chromium:
        recording = Path(folder) / "run.zarr"
        rlvis.record(load_policy(POLICY), WORLD, episodes=20, methods="none", out=recording)
        with served(str(recording)) as (address, *_):
            save(why(chromium, address), out / "inspector.webp")
            save(unit(chromium, address), out / "how-to" / "inspector-unit.webp")
            save(compared(chromium, address), out / "how-to" / "inspector-compared.webp")
        audit = str(rlvis.audit(load_policy(POLICY), WORLD).save(Path(folder) / "audit.html"))
        with served(str(recording), "--audit", audit) as (address, *_):
            save(believed(chromium, address), out / "how-to" / "inspector-audit.webp")
        with served("--live", "--policy", POLICY) as (address, *_):
            save(blue(chromium, address), out / "how-to" / "inspector-live.webp")
        photos = [word for name in ("cat", "coffee") for word in ("--photo", photo(name))]
        with served("--model", "efficientnet-lite0", *photos) as (address, *_):
            save(labels(chromium, address), out / "how-to" / "inspector-photo.webp")


def why(chromium: Browser, address: str) -> Page:
    """Why left here? A step at which it turns to the left."""
    page = opened(chromium, address, "#episode=1&step=0")
    for _ in range(20):
        if "left" in page.inner_text(".taken"):
            break
        page.keyboard.press("]")
        page.wait_for_timeout(400)
    page.keyboard.press("ArrowRight")
    page.click("text=Moments")
    return page


def unit(chromium: Browser, address: str) -> Page:
    """What does this unit see? The strongest, with what excites it."""
    page = opened(chromium, address, "#episode=0&step=1&view=units")
    page.wait_for_selector(".patch")
    for label in ("Synthesize", "Project back"):
        page.click(f"button:text('{label}')")
        page.wait_for_selector(f"figcaption:text-is('{label.lower()}')", timeout=60_000)
    page.click("text=Explain it")
    return page


def compared(chromium: Browser, address: str) -> Page:
    """Where does the new checkpoint part from the old?"""
    page = opened(chromium, address, "#episode=0&step=0&view=compare")
    page.fill(".compare input", "cube-reach-choice-shortcut")
    page.click(".compare .ask button:text-is('Compare')")
    page.wait_for_selector(".compared")
    return page


def believed(chromium: Browser, address: str) -> Page:
    """May I believe it? What the audit says of the maps."""
    page = opened(chromium, address, "#episode=1&step=0")
    page.click("text=May I believe it?")
    heading = page.frame_locator("iframe").get_by_text("Which maps can be believed").first
    heading.scroll_into_view_if_needed(timeout=60_000)
    return page


def blue(chromium: Browser, address: str) -> Page:
    """What if the marker were blue? A yellow one, recoloured."""
    page = opened(chromium, address, "#seed=0")
    page.wait_for_selector(".handle")
    page.select_option("select[aria-label=object]", "marker")
    page.select_option("select[aria-label=colour]", "blue")
    page.wait_for_selector("text=/^marker blue/")
    page.click("button:text-is('Compare futures')")
    page.wait_for_selector(".group .future", timeout=60_000)
    page.evaluate("document.querySelector('.world .scroll').scrollTop = 0")
    return page


def labels(chromium: Browser, address: str) -> Page:
    """A photo and its likeliest labels."""
    page = opened(chromium, address, "")
    page.wait_for_selector(".label")
    return page


def photo(name: str) -> str:
    """The file of a photo of the documentation."""
    return str(DOCS / "photos" / f"{name}.jpg")


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(chromium: Browser, address: str, place: str) -> Page:
    """The page at a place, with what it asked for."""
    page = chromium.new_page(viewport=SIZE)
    page.goto(f"http://{address}/{place}")
    page.wait_for_selector("main[data-view] canvas", timeout=60_000)
    page.wait_for_load_state("networkidle")
    return page


def save(page: Page, path: Path) -> None:
    """Write what is on the page, and close it."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    seen = Image.open(BytesIO(page.screenshot())).convert("RGB")
    seen.save(path, quality=QUALITY, method=6)
    print(f"{path}  {path.stat().st_size / 1e3:.0f} kB")
    page.close()


if __name__ == "__main__":
    main()
