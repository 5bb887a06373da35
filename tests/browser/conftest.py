"""A browser, and `rlvis inspect` for it to look at."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

import rlvis
from rlvis_agents import load_policy
from tests.browser.looking import Recorded

CHROMIUM = Path("/usr/bin/chromium")
POLICY = "cube-reach-distractors"
PHOTOS = Path(__file__).parents[2] / "docs" / "photos"
WEBCAM = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

Served = Callable[..., str]
Opened = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests are left out."""
    if not CHROMIUM.exists():
        here = Path(__file__).parent
        for each in items:
            if here in each.path.parents:
                each.add_marker(pytest.mark.skip(reason=f"no {CHROMIUM}: install chromium"))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Three episodes."""
    path = tmp_path_factory.mktemp("inspected") / "run.zarr"
    environment = "rlvis_envs:CubeReachDistractors-v0"
    rlvis.record(load_policy(POLICY), environment, episodes=3, methods=["cam"], out=path)
    return path, rlvis.Recording.open(path)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """Starts `rlvis inspect` and says where it is."""
    pytest.importorskip("uvicorn")
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


@pytest.fixture(scope="session")
def address(served: Served, recorded: Recorded) -> str:
    """Of the page of the recording."""
    return served(str(recorded[0]))


@pytest.fixture(scope="session")
def live(served: Served) -> str:
    """The address of the page of a world that runs."""
    return served("--live", "--policy", "cube-reach-choice")


@pytest.fixture(scope="session")
def photos(served: Served) -> str:
    """The address of the page of a classifier with two photos."""
    pytest.importorskip("efficientnet_lite_pytorch")
    given = [word for name in ("cat.jpg", "coffee.jpg") for word in ("--photo", PHOTOS / name)]
    return served("--model", "efficientnet-lite0", *map(str, given))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, with a webcam that is none.

    Its driver runs an event loop, beside which other tests could run none.
    """
    driver = pytest.importorskip("playwright.sync_api", reason="the browser's driver is missing")
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", *WEBCAM]
        )
        yield started
        started.close()


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

    def go(
        place: str = "", at: str = address, shown: str = ".frame .base", before: str = ""
    ) -> Any:
        page = context.new_page()
        page.add_init_script(before)
        origins.append(at)
        page.goto(at + place)
        page.wait_for_selector(f"main[data-view] {shown}")
        page.wait_for_function("shown => document.querySelector(shown).width !== 300", arg=shown)
        return page

    yield go
    context.close()
    elsewhere = [each for each in asked if not each.startswith(tuple(origins))]
    assert not elsewhere
    assert not failed
