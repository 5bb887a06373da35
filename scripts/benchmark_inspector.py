"""How quick the inspector is: first answers, scrubbing, drags, many clients, the exported file.

    python -m scripts.benchmark_inspector [RECORDING]

Each part talks to a server of its own in another process, as a browser would.
"""

import argparse
import asyncio
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import rlvis
from rlvis_agents import load_policy

_CLIENTS = 50
_BLOCK = 128


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, int, float]]:
    """A running server: its address, its process and the seconds until it answered."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "rlvis.cli", "inspect", *arguments, "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r"http://(\S+?)/", server.stdout.readline())
    assert found, "the server does not say where it is"
    get(found[1], "/")
    try:
        yield found[1], server.pid, time.perf_counter() - begun
    finally:
        server.terminate()
        server.wait()


def get(address: str, path: str) -> bytes:
    """What a path gives."""
    with urllib.request.urlopen(f"http://{address}{path}") as answer:
        content: bytes = answer.read()
    return content


def head_of(content: bytes) -> dict[str, Any]:
    """The head of a pack."""
    (length,) = struct.unpack("<I", content[:4])
    found: dict[str, Any] = json.loads(content[4 : 4 + length])
    return found


def memory_of(process: int) -> float:
    """The memory of a process in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def scrub(address: str, steps: int) -> float:
    """Frames a second that the server sends."""
    begun, sent = time.perf_counter(), 0
    for start in range(0, steps, _BLOCK):
        stop = min(start + _BLOCK, steps)
        get(address, f"/api/frames/0?start={start}&stop={stop}")
        sent += stop - start
    return sent / (time.perf_counter() - begun)


async def many(address: str, steps: int) -> tuple[float, float]:
    """Fifty clients that scrub at once: the median and the 95% quantile of an answer, in ms."""
    times: list[float] = []

    def client(number: int) -> None:
        for start in range(0, steps, 32):
            begun = time.perf_counter()
            get(address, f"/api/frames/0?start={start}&stop={min(start + 32, steps)}")
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*(asyncio.to_thread(client, each) for each in range(_CLIENTS)))
    return quantiles(times)


async def drag(address: str, count: int) -> tuple[float, float]:
    """So many drags of the cube, three maps each: median and 95% quantile in ms."""
    import websockets

    want = {"methods": ["cam", "saliency", "grad-cam"], "targets": ["margin"], "plan": [360, 270]}
    times = []
    async with websockets.connect(f"ws://{address}/api/live", max_size=None) as line:
        for number in range(count + 20):
            angle = number / 20
            x, z = 4 + 2 * np.cos(angle), 4 + 2 * np.sin(angle)
            message = {"id": number, "do": "move", "name": "cube", "x": x, "z": z, "want": want}
            begun = time.perf_counter()
            await line.send(json.dumps(message))
            answer = await line.recv()
            times.append(time.perf_counter() - begun)
            assert isinstance(answer, bytes)
            assert "error" not in head_of(answer)
    return quantiles(times[20:])


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 95% quantile in ms."""
    middle, high = np.percentile(np.array(seconds) * 1e3, [50, 95])
    return float(middle), float(high)


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--drags", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.recording or Path(folder) / "run.zarr"
        if given.recording is None:
            policy = load_policy("cube-reach")
            rlvis.record(policy, "rlvis_envs:CubeReach-v0", episodes=10, methods=["cam"], out=path)
        recording = rlvis.Recording.open(path)
        steps = recording.steps([0])
        with served(str(path)) as (address, process, begun):
            print(f"command to first page  {begun:.2f} s")
            asked = time.perf_counter()
            for each in ("/api/info", "/api/episodes", "/api/episode/0", "/api/frames/0?stop=1"):
                get(address, each)
            print(f"what the page asks first  {time.perf_counter() - asked:.2f} s")
            print(f"scrubbing  {scrub(address, steps):.0f} frames/s")
            before = memory_of(process)
            middle, high = asyncio.run(many(address, steps))
            more = memory_of(process) - before
            print(f"{_CLIENTS} clients  p50 {middle:.1f} ms, p95 {high:.1f} ms, {more:+.0f} MB")
        with served("--live") as (address, _, _):
            get(address, "/api/info")
            middle, high = asyncio.run(drag(address, given.drags))
            print(f"{given.drags} drags  p50 {middle:.1f} ms, p95 {high:.1f} ms")
        from rlvis.inspector.exported import to_html

        methods = ["cam", "saliency", "grad-cam"]
        page = to_html(recording, Path(folder) / "page.html", methods=methods)
        frames, size = recording.steps(), page.stat().st_size / 1e6
        print(f"exported, {frames} frames × {len(methods)} methods  {size:.1f} MB")


if __name__ == "__main__":
    main()
