"""How quick the inspector's page is in Chromium: first paint, and a step of scrubbing.

    python -m scripts.benchmark_inspector_page [RECORDING]

Of a recording that is not named, an episode of 1,000 steps; run it on a quiet machine.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import rlvis
from rlvis.cli import main as command
from scripts.benchmark_inspector import get, served
from scripts.draw_inspector import browser

_STEPS = 300
_VIEWS = ("recording", "units", "compare")

_TIMED = """
    window.times = [];
    window.frame = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = run => window.frame(now => {
        const begun = performance.now();
        run(now);
        window.times.push(performance.now() - begun);
    });
    const draw = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...given) {
        if (this.canvas.matches(".frame .base")) window.painted ??= performance.now();
        return draw.apply(this, given);
    };
"""
_SCRUB = """async steps => {
    const gaps = [];
    window.times.length = 0;
    let last = performance.now();
    for (let step = 0; step < steps; step += 1) {
        document.body.dispatchEvent(new KeyboardEvent("keydown",
            {key: "ArrowRight", bubbles: true}));
        await new Promise(done => window.frame(done));
        const now = performance.now();
        gaps.push(now - last);
        last = now;
    }
    return {gaps, times: window.times};
}"""


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?")
    given = parser.parse_args().recording
    with TemporaryDirectory() as folder, browser() as chromium:
        path = given or recorded(Path(folder) / "run.zarr")
        steps = rlvis.Recording.open(path).steps
        episode = max(range(len(rlvis.Recording.open(path))), key=lambda each: steps([each]))
        print(f"episode {episode} of {steps([episode])} steps")
        with served(str(path)) as (address, *_):
            get(address, "/api/info")
            for view in _VIEWS:
                page = chromium.new_page(viewport={"width": 1440, "height": 860})
                page.add_init_script(_TIMED)
                page.goto(f"http://{address}/#episode={episode}&view={view}")
                page.wait_for_function("() => window.painted")
                painted = page.evaluate("window.painted")
                measure(page, view, painted)
                page.close()


def recorded(path: Path) -> Path:
    """Some episodes, of which some last as long as they may."""
    world = ["--env", "rlvis_envs:CubeReachChoice-v0", "--env-option", "step_limit=1000"]
    asked = ["--policy", "cube-reach", *world, "--episodes", "6", "--method", "none"]
    command(["record", *asked, "--out", str(path), "--video", "None"])
    return path


def measure(page: Any, view: str, painted: float) -> None:
    """Scrub a page whose blocks are there."""
    page.wait_for_load_state("networkidle")
    for _ in range(_STEPS // 10 + 8):
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_timeout(60)
    page.keyboard.press("Home")
    page.wait_for_load_state("networkidle")
    found = page.evaluate(_SCRUB, _STEPS)
    work, gap = (np.percentile(found[name], [50, 95]) for name in ("times", "gaps"))
    print(
        f"{view}: first paint {painted:.0f} ms; a step: scripts p50 {work[0]:.1f} ms, "
        f"p95 {work[1]:.1f} ms, from frame to frame p50 {gap[0]:.1f} ms, p95 {gap[1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
