"""Hostile and damaged agents' files: nothing runs, crashes, waits or exhausts."""

import base64
import io
import json
import os
import pickle
import shutil
import socket
import sys
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rlvis import InputError, NonFiniteError
from rlvis.cli.playing import EnvSource
from rlvis_agents import load_policy
from rlvis_agents.checkpoints import read_optimizer
from rlvis_agents.loading import SHIPPED
from rlvis_agents.safe_reading.pickles import LARGEST_ARRAY, as_array, read_pickle
from rlvis_agents.safe_reading.tensors import read_tensors
from rlvis_agents.sb3.vec_normalize import read_vec_normalize
from scripts.fuzz_agents import KINDS, make_sound, outcome
from tests.test_agents_context import ENTRIES, IMAGE, world
from tests.test_agents_sb3 import noise, rewritten

ZEROS = 2**29 + 1


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """An agent of a plain image, and statistics."""
    folder = tmp_path_factory.mktemp("sound")
    PPO("CnnPolicy", noise(40, 48, 3)).save(folder / "agent.zip")
    entries = {"view": IMAGE, "speed": ENTRIES["speed"]}
    envs = VecNormalize(DummyVecEnv([lambda: world(**entries)]), norm_obs_keys=["speed"])
    envs.save(str(folder / "normalize.pkl"))
    return folder


def refused(path: Path, message: str, **options: object) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_policy(path, **options)
    assert "\n" not in str(caught.value)
    assert "--trust" not in str(caught.value)


@pytest.mark.parametrize("changed", [b"O8", b"V8", b"S8", b"c8", b"M8", b"f4"])
def test_arrays_of_pointers_are_not_built(sound, tmp_path, changed):
    whole = (sound / "normalize.pkl").read_bytes()
    (tmp_path / "x.pkl").write_bytes(whole.replace(b"f8", changed))
    with pytest.raises(InputError, match="holds no VecNormalize statistics"):
        read_vec_normalize(tmp_path / "x.pkl")


def test_arrays_are_those_that_were_pickled():
    for array in (
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4).transpose(0, 3, 1, 2),
        np.array([True, False]),
        np.float32(2.5),
        np.empty((0, 3)),
        np.empty((0, LARGEST_ARRAY)),
    ):
        for protocol in (4, 5):
            again = as_array(read_pickle(pickle.dumps(array, protocol)))
            np.testing.assert_array_equal(again, array)
            assert again.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x04)" + b"\x85" * 400_000 + b"}.",
        b"\x80\x04})" + b"\x85" * 400_000 + b"Ns.",
        b"\x80\x04]" + b"a" * 1000 + b".",
        b"\x80\x04Nr\xff\xff\xff\x7f.",
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x04\x8b\xff\xff\xff\x7f.",
        b"\x80\x04" + b"N" * 600_000 + b".",
        b"cos\nsystem\n(Vtouch ran\ntR.",
        b"ctypes\nFunctionType\n.",
        b"I" + b"9" * 5000 + b"\n.",
        b"",
    ],
    ids=range(11),
)
def test_pickles_do_nothing(pickled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pkl").write_bytes(pickled)
    with pytest.raises(InputError, match="holds no VecNormalize statistics"):
        read_vec_normalize(tmp_path / "x.pkl")
    assert list(tmp_path.iterdir()) == [tmp_path / "x.pkl"]


def deflated(parts: dict[str, bytes], to: Path, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(to, "w", packing) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return to


def test_bombs_are_not_unpacked(sound, tmp_path):
    with zipfile.ZipFile(sound / "agent.zip") as archive:
        metadata, weights = archive.read("data"), archive.read("policy.pth")
    zeros = bytes(ZEROS)
    for name, parts in {
        "metadata": {"data": zeros[: 2**27 + 1], "policy.pth": weights},
        "weights": {"data": metadata, "policy.pth": zeros},
    }.items():
        refused(deflated(parts, tmp_path / f"{name}.zip"), "larger than the .* MiB that are read")
    inner = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(weights)) as before,
        zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            after.writestr(name, zeros[: 2**24] if name.endswith("/0") else before.read(name))
    path = deflated({"data": metadata, "policy.pth": inner.getvalue()}, tmp_path / "inner.zip")
    refused(path, "packed or overlap")
    path = deflated({"data": zeros[:100], "policy.pth": b""}, tmp_path / "b.zip", zipfile.ZIP_BZIP2)
    refused(path, "packed in a way that is not read")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"[]," * 600_000, "too many values"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b"[]", "lacks metadata"),
        (b"\xff", "can't decode"),
    ],
    ids=["deep", "many", "large", "list", "bytes"],
)
def test_facts_that_are_none(sound, tmp_path, metadata, message):
    refused(rewritten(sound / "agent.zip", tmp_path / "x.zip", data=metadata), message)
    shutil.copy(SHIPPED / "cube-reach.safetensors", tmp_path / "x.safetensors")
    (tmp_path / "x.json").write_bytes(metadata)
    refused(tmp_path / "x.json", "cannot be read|does not describe")


def test_what_is_no_ordinary_file(sound, tmp_path):
    os.mkfifo(tmp_path / "fifo.zip")
    os.mkfifo(tmp_path / "fifo.json")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.zip"))
        (tmp_path / "zero.zip").symlink_to("/dev/zero")
        for name in ("fifo.zip", "fifo.json", "socket.zip", "zero.zip"):
            refused(tmp_path / name, "is a device, a pipe or a socket")
    refused(sound / "agent.zip", "is a device", vec_normalize="/dev/zero")
    refused(sound / "agent.zip", "is a device", vec_normalize=tmp_path / "fifo.zip")
    refused(Path("x" * 5000), "no policy")
    refused(Path("a/" + "x" * 5000 + ".zip"), "no file or folder")


def changed_weights(sound: Path, to: Path, change) -> Path:
    with zipfile.ZipFile(sound / "agent.zip") as archive:
        weights = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    change(weights)
    stored = io.BytesIO()
    torch.save(weights, stored)
    return rewritten(sound / "agent.zip", to, policy_pth=stored.getvalue())


def test_weights_that_are_damaged_advise_no_trust(sound, tmp_path):
    def nan(weights):
        weights["action_net.bias"][0] = torch.nan

    def incomplete(weights):
        del weights["value_net.bias"]

    def narrow(weights):
        weights["action_net.weight"] = weights["action_net.weight"][:, :7].clone()

    def overlapping(weights):
        weights["action_net.weight"] = torch.zeros(1).expand(3, 512)

    def nothing(weights):
        weights.clear()

    for change, message in (
        (nan, "the weight 'action_net.bias' of .* holds NaN"),
        (incomplete, "damaged or incomplete.*value_net.bias"),
        (narrow, "damaged or incomplete"),
        (overlapping, "gaps or overlaps|outside of its bytes"),
        (nothing, "lacks its weights"),
    ):
        path = changed_weights(sound, tmp_path / "x.zip", change)
        for trust in (False, True):
            refused(path, message, trust=trust)
    with pytest.raises(NonFiniteError):
        load_policy(changed_weights(sound, tmp_path / "x.zip", nan))


def test_tensors_are_those_that_were_saved(tmp_path):
    kept = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "b": [torch.ones(2, dtype=torch.bfloat16), (1, 2.5, None, True, "text")],
        "c": {0: torch.zeros(0, 3), 1: torch.nn.Parameter(torch.ones(1))},
        "d": torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    }
    stored = io.BytesIO()
    torch.save(kept, stored)
    again = read_tensors(stored.getvalue())
    for name in ("a", "d"):
        assert torch.equal(again[name], kept[name])
    assert torch.equal(again["b"][0], kept["b"][0])
    assert again["b"][1] == kept["b"][1]
    assert again["c"][0].shape == (0, 3)
    assert again["c"][1].tolist() == [1]
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, complex_ones := io.BytesIO())
    with pytest.raises(ValueError, match="of an unknown type"):
        read_tensors(complex_ones.getvalue())
    (tmp_path / "optimizer.pt").write_bytes(stored.getvalue()[:-30])
    with pytest.raises(InputError, match="is damaged or foreign"):
        read_optimizer(tmp_path)


def with_card(folder: Path, **changes: object) -> Path:
    card = json.loads((SHIPPED / "cube-reach.json").read_text())
    shutil.copy(SHIPPED / "cube-reach.safetensors", folder / "x.safetensors")
    (folder / "x.json").write_text(json.dumps({**card, **changes}))
    return folder / "x.json"


def test_a_card_does_not_choose_what_is_imported(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    policy = load_policy(with_card(tmp_path, environment="evil:X-v0"))
    with pytest.raises(InputError, match=r"names 'evil:X-v0'.* add --env evil:X-v0"):
        EnvSource().of(policy)
    assert "evil" not in sys.modules
    assert EnvSource("evil:X-v0").of(policy).environment == "evil:X-v0"
    own = EnvSource().of(load_policy("cube-reach"))
    assert own.environment == "rlvis_envs:CubeReach-v0"
    policy.description |= {"environment": "CubeReach-v0", "wrappers": ["evil.Wrapper:a=1"]}
    with pytest.raises(InputError, match=r"names 'evil.Wrapper:a=1'.* add -w evil.Wrapper:a=1"):
        EnvSource().of(policy)


def test_a_card_of_a_giant_costs_nothing(tmp_path):
    for changes, message in (
        ({"channels": [8000, 8000, 8000]}, "do not fit the network"),
        ({"channels": [10**9, 16, 32]}, "does not hold a sound"),
        ({"observation_shape": [10**6, 10**6, 3]}, "does not hold a sound"),
        ({"labels": "abc"}, "does not hold a sound"),
        ({"environment": ["x"]}, "does not hold a sound"),
    ):
        refused(with_card(tmp_path, **changes), message)


def test_a_space_that_is_none(sound, tmp_path):
    with zipfile.ZipFile(sound / "agent.zip") as archive:
        metadata = json.loads(archive.read("data"))
    nested = spaces.Dict(a=spaces.Dict(b=spaces.Discrete(2)))
    for space in (nested, spaces.Tuple([spaces.Discrete(2)]), 3, None):
        pickled = base64.b64encode(pickle.dumps(space)).decode()
        metadata["observation_space"][":serialized:"] = pickled
        data = json.dumps(metadata).encode()
        path = rewritten(sound / "agent.zip", tmp_path / "x.zip", data=data)
        refused(path, "no readable observation_space|sees 0 images|does not see uint8 images")
    with zipfile.ZipFile(sound / "agent.zip") as archive:
        metadata = json.loads(archive.read("data"))
    for attribute, value in (("n", None), ("n", 0), ("n", -3), ("n", 2**40)):
        choice = spaces.Discrete(3)
        setattr(choice, attribute, value)
        pickled = base64.b64encode(pickle.dumps(choice)).decode()
        metadata["action_space"][":serialized:"] = pickled
        data = json.dumps(metadata).encode()
        path = rewritten(sound / "agent.zip", tmp_path / "x.zip", data=data)
        refused(path, "no readable action_space|3 scores for actions of the kind Discrete")


def test_mutated_files(tmp_path):
    (tmp_path / "into").mkdir()
    make_sound(tmp_path)
    found = {}
    for number in range(80):
        rng = Random(number)
        found[number] = outcome(rng.choice(KINDS)(tmp_path, tmp_path / "into", rng))
    assert set(found.values()) == {"ok", "said"}, found
