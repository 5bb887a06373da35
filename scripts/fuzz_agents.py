"""Load tens of thousands of damaged and hostile agents' files, and count what comes of it.

    python -m scripts.fuzz_agents --cases 20000

Files are made from sound ones: bits flipped, bytes cut out, doubled or overwritten, instructions
spliced into pickles, types and shapes of arrays crafted. They are loaded in child processes whose
memory is limited. Anything but an `InputError` or a policy is a fault of ours.
"""

import argparse
import base64
import io
import json
import multiprocessing
import queue
import resource
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rlvis.errors import InputError
from rlvis_agents import load_policy
from rlvis_agents.loading import SHIPPED
from rlvis_agents.sb3.vec_normalize import read_vec_normalize

MEMORY = 2**30
"""Bytes that a load may take beside what Python and torch have."""
_BATCH = 250
_HEADER = b"\x80\x04"
_NUMPY = b"cnumpy\ndtype\n"


class _World(gym.Env):
    """An image and a vector, never stepped."""

    observation_space = spaces.Dict(
        view=spaces.Box(0, 255, (36, 36, 1), np.uint8), speed=spaces.Box(-1, 1, (2,))
    )
    action_space = spaces.Discrete(2)

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        return self.observation_space.sample(), {}


def make_sound(folder: Path) -> None:
    """Write the files that all others are made from."""
    envs = VecNormalize(DummyVecEnv([_World]), norm_obs_keys=["speed"])
    narrow = {"features_extractor_kwargs": {"cnn_output_dim": 8}, "net_arch": [4]}
    PPO("MultiInputPolicy", envs, policy_kwargs=narrow).save(folder / "agent.zip")
    envs.save(str(folder / "normalize.pkl"))
    for suffix in (".json", ".safetensors"):
        shutil.copy(SHIPPED / f"cube-reach{suffix}", folder / f"card{suffix}")


def flipped(data: bytes, rng: Random) -> bytes:
    """Some bits turned over."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: Random) -> bytes:
    """Bytes cut off or out, doubled or overwritten."""
    start, stop = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    stop = min(stop, start + rng.choice((1, 4, 64, len(data))))
    middle = rng.choice((b"", data[start:stop] * 2, rng.randbytes(stop - start)))
    return data[:start] if rng.random() < 0.3 else data[:start] + middle + data[stop:]


def spliced(data: bytes, rng: Random) -> bytes:
    """Instructions put into a pickle."""
    parts = (
        b"(",
        b"0",
        b"2",
        b"N",
        b"}",
        b"]",
        b")",
        b"R",
        b"b",
        b"u",
        b"e",
        b"\x81",
        b"\x85",
        b"\x94",
        b"r\xff\xff\xff\x7f",
        b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\x7f",
        b"cos\nsystem\n",
        b"cbuiltins\nbytearray\n",
        b"J\xff\xff\xff\x7f\x85R",
        _NUMPY,
        b"X\x03\x00\x00\x00abc",
    )
    place = rng.randrange(len(data))
    inserted = b"".join(rng.choices(parts, k=rng.choice((1, 2, 5)))) * rng.choice((1, 1, 1, 50_000))
    return data[:place] + inserted + data[place:]


def crafted(data: bytes, rng: Random) -> bytes:
    """Types and shapes of arrays changed, in whatever pickle."""
    kinds = (b"O8", b"V8", b"S8", b"U2", b"M8", b"f8", b"c8", b"i1", b"f2")
    changed = data
    for _ in range(rng.choice((1, 2, 4))):
        old, new = rng.choice((*kinds, b"u1", b"b1", b"f4", b"i8")), rng.choice(kinds)
        changed = changed.replace(old, new, rng.choice((-1, 1)))
    if rng.random() < 0.5:
        small, large = rng.choice((b"K\x02", b"K\x24", b"K\x01")), b"J\xff\xff\xff\x7f"
        changed = changed.replace(small, large, rng.choice((-1, 1, 2)))
    return changed


def nested(_: bytes, rng: Random) -> bytes:
    """Containers in containers, or one many times over."""
    depth = rng.choice((100, 10_000, 400_000))
    kind = rng.randrange(4)
    if kind == 0:
        return _HEADER + b"]" * depth + b"a" * (depth - 1) + b"."
    if kind == 1:
        return _HEADER + b")" + b"\x85" * depth + b"}" + b"." * (rng.random() < 0.9)
    if kind == 2:
        return _HEADER + b"}" + b")" + b"\x85" * depth + b"Ns."
    return _HEADER + b"]\x94" + b"]\x94h\x00h\x00\x86a" * min(depth, 10_000) + b"."


Change = Callable[[bytes, Random], bytes]
PICKLES: tuple[Change, ...] = (flipped, cut, spliced, crafted, nested)
ANY: tuple[Change, ...] = (flipped, cut)


def damaged_statistics(sound: Path, into: Path, rng: Random) -> Callable[[], object]:
    """A file of VecNormalize."""
    path = into / "normalize.pkl"
    path.write_bytes(rng.choice(PICKLES)((sound / "normalize.pkl").read_bytes(), rng))
    return lambda: read_vec_normalize(path)


def damaged_zip(sound: Path, into: Path, rng: Random) -> Callable[[], object]:
    """An agent's file, damaged as a whole."""
    path = into / "agent.zip"
    path.write_bytes(rng.choice(ANY)((sound / "agent.zip").read_bytes(), rng))
    return lambda: load_policy(path)


def damaged_part(sound: Path, into: Path, rng: Random) -> Callable[[], object]:
    """An agent's file, sound but for one of its parts."""
    path, part = into / "agent.zip", rng.choice(("data", "space", "policy.pth", "torch"))
    with zipfile.ZipFile(sound / "agent.zip") as before, zipfile.ZipFile(path, "w") as after:
        content = {name: before.read(name) for name in before.namelist()}
        if part == "space":
            content["data"] = _with_space(content["data"], rng)
        elif part == "torch":
            content["policy.pth"] = _with_pickle(content["policy.pth"], rng)
        else:
            content[part] = rng.choice(ANY)(content[part], rng)
        packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
        for name, data in content.items():
            after.writestr(name, data, packing)
    return lambda: load_policy(path)


def _with_space(data: bytes, rng: Random) -> bytes:
    metadata = json.loads(data)
    fact = metadata[rng.choice(("observation_space", "action_space"))]
    pickled = base64.b64decode(fact[":serialized:"])
    changed = rng.choice(PICKLES)(pickled, rng)
    fact[":serialized:"] = base64.b64encode(changed).decode()
    if rng.random() < 0.1:
        metadata["policy_kwargs"] = rng.choice((None, [], "x", {"activation_fn": [1]}, 10**400))
    return json.dumps(metadata).encode()


def _with_pickle(data: bytes, rng: Random) -> bytes:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith("data.pkl"):
                content = rng.choice(PICKLES)(content, rng)
            after.writestr(name, content)
    return changed.getvalue()


def damaged_card(sound: Path, into: Path, rng: Random) -> Callable[[], object]:
    """A policy of ours."""
    chosen = rng.choice((".json", ".safetensors"))
    for suffix in (".json", ".safetensors"):
        content = (sound / f"card{suffix}").read_bytes()
        if suffix == chosen:
            content = rng.choice(ANY)(content, rng)
        (into / f"card{suffix}").write_bytes(content)
    return lambda: load_policy(into / "card.json")


def damaged_run(sound: Path, into: Path, rng: Random) -> Callable[[], object]:
    """The folder of a run of RL-Zoo."""
    inside = into / "World-v0_1" / "World-v0"
    inside.mkdir(parents=True, exist_ok=True)
    shutil.copy(sound / "agent.zip", inside.parent / "World-v0.zip")
    for name, text in _SETTINGS.items():
        (inside / name).write_bytes(rng.choice(ANY)(text.encode(), rng))
    return lambda: load_policy(inside.parent)


_SETTINGS = {
    "config.yml": """!!python/object/apply:collections.OrderedDict
- - - batch_size
    - 256
  - - env_wrapper
    - - stable_baselines3.common.atari_wrappers.AtariWrapper
      - rl_zoo3.wrappers.FrameSkip: &a
          skip: 2
  - - frame_stack
    - 4
  - - normalize
    - '{''norm_obs'': False}'
  - - policy
    - CnnPolicy
""",
    "args.yml": """!!python/object/apply:collections.OrderedDict
- - - algo
    - ppo
  - - env
    - World-v0
  - - env_kwargs
    - frameskip: 1
      repeat_action_probability: 0.0
  - - gym_packages
    - []
""",
}
KINDS = (damaged_run, damaged_statistics, damaged_zip, damaged_part, damaged_part, damaged_card)


def outcome(load: Callable[[], object]) -> str:
    """What comes of a load: "ok", "InputError", "memory", or the name of another error."""
    try:
        load()
    except InputError as error:
        wrong = "--trust" in str(error) or "\n" in str(error) or len(str(error)) > 1500
        return f"bad message: {error}" if wrong and "of its own make" not in str(error) else "said"
    except MemoryError:
        return "memory"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:80]}"
    return "ok"


def run(sound: Path, first: int, count: int, results: Any) -> None:
    """Load so many files, the chance of each seeded with its number; put what comes of it."""
    load_policy(sound / "agent.zip", vec_normalize=sound / "normalize.pkl")
    with Path("/proc/self/statm").open() as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(first, first + count):
        rng = Random(number)
        with tempfile.TemporaryDirectory() as into:
            results.put((number, "died"))
            results.put((number, outcome(rng.choice(KINDS)(sound, Path(into), rng))))


def scan(cases: int, first: int = 0, workers: int = 2) -> dict[int, str]:
    """What comes of each case, by its number."""
    context = multiprocessing.get_context("spawn")
    found: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_sound(Path(folder))
        waiting = [
            (start, min(_BATCH, first + cases - start))
            for start in range(first, first + cases, _BATCH)
        ]
        while waiting:
            results = context.Queue()
            batch = [waiting.pop(0) for _ in range(min(workers, len(waiting)))]
            children = [
                context.Process(target=run, args=(Path(folder), *each, results)) for each in batch
            ]
            for child in children:
                child.start()
            while any(child.is_alive() for child in children) or not results.empty():
                _drain(results, found)
            for (start, count), child in zip(batch, children, strict=True):
                _drain(results, found)
                done = sum(1 for number in range(start, start + count) if number in found)
                if child.exitcode:
                    found[start + max(done - 1, 0)] = f"exit {child.exitcode}"
                if done < count:
                    waiting.append((start + max(done, 1), count - max(done, 1)))
            print(f"{len(found)} of {cases}", dict(Counter(found.values()).most_common(6)))
    return found


def _drain(results: Any, found: dict[int, str]) -> None:
    try:
        while True:
            number, what = results.get(timeout=0.2)
            found[number] = what
    except queue.Empty:
        return


def main() -> None:
    """Load as many files as asked for and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    asked = parser.parse_args()
    found = scan(asked.cases, asked.first)
    for what, count in Counter(found.values()).most_common():
        example = next(number for number, each in found.items() if each == what)
        print(f"{count:7,}  {what}  (case {example})")


if __name__ == "__main__":
    main()
