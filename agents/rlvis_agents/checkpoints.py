"""Policies and checkpoints on disk.

A policy is two files: weights (`.safetensors`) and a card (`.json`) that says what they are. A
checkpoint is a folder with a policy in it and what training needs to go on. Requirements:

- Reading one never runs code from it, nor takes more memory than its files are large.
- What is there stays usable: a file or folder is written under a temporary name and then renamed.
"""

import errno
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from rlvis.building import Building, alone_in
from rlvis.errors import InputError
from rlvis.files import read_regular
from rlvis_agents.network import PolicyNetwork
from rlvis_agents.safe_reading.reading import LARGEST_CARD, LARGEST_WEIGHTS, parse_json
from rlvis_agents.safe_reading.tensors import read_tensors

FORMAT = "rlvis-policy-1"
POLICY = "policy.safetensors"
OPTIMIZER = "optimizer.pt"
Card = dict[str, Any]
_LARGEST_SIDE = 2**13


def save_policy(path: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
    """Write the weights to `path` (.safetensors) and the card beside it (.json).

    Raises:
        InputError: if the place cannot be written.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    text = json.dumps({"format": FORMAT, **card}, indent=2, ensure_ascii=False) + "\n"
    with _said_plainly(path):
        for target, data in (
            (path, safetensors.torch.save(weights)),
            (path.with_suffix(".json"), text.encode()),
        ):
            building = Building.beside(target)
            try:
                temporary = building.folder / target.name
                temporary.write_bytes(data)
                building.finish(temporary)
            finally:
                building.remove()


def read_card(path: Path) -> Card:
    """The card beside the weights at `path` (.safetensors).

    Raises:
        InputError: if it is missing, unreadable or not a policy's.
    """
    where = path.with_suffix(".json")
    if not where.exists():
        raise InputError(f"{where} is missing; a policy is a .safetensors and a .json")
    data = read_regular(where, LARGEST_CARD)
    try:
        card = parse_json(data)
    except ValueError as error:
        raise InputError(f"{where} cannot be read ({error}); take another checkpoint") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"{where} does not describe a policy of ours (no format {FORMAT!r})")
    if not _is_sound(card):
        raise InputError(
            f"{where} does not hold a sound observation_shape, labels and channels, or an "
            "environment or name that is no text; take another checkpoint"
        )
    return card


def _is_sound(card: Card) -> bool:
    shape, channels, labels = (
        card.get(name) for name in ("observation_shape", "channels", "labels")
    )
    counts = all(
        isinstance(each, list)
        and len(each) == 3
        and all(type(size) is int and 0 < size <= _LARGEST_SIDE for size in each)
        for each in (shape, channels)
    )
    texts = [card.get("environment", ""), card.get("name", "")]
    named = isinstance(labels, list) and len(labels) > 0
    return counts and named and all(isinstance(each, str) for each in (*texts, *(labels or ())))


def read_policy(path: Path) -> tuple[PolicyNetwork, Card]:
    """The network with its weights, and its card, from `path` (.safetensors).

    Raises:
        InputError: if a file is missing, truncated, foreign, or the two do not fit together.
    """
    card = read_card(path)
    with torch.device("meta"):  # what a card says of sizes costs nothing until weights fit it
        network = PolicyNetwork(card["observation_shape"][2], len(card["labels"]), card["channels"])
    if not path.exists():
        raise InputError(f"{path} is missing; a policy is a .safetensors and a .json")
    try:
        weights = safetensors.torch.load(read_regular(path, LARGEST_WEIGHTS))
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is damaged or no safetensors file ({error}); take another checkpoint"
        ) from None
    try:
        network.load_state_dict({name: each.float() for name, each in weights.items()}, assign=True)
    except RuntimeError:
        raise InputError(
            f"the weights in {path} do not fit the network that its .json describes; "
            "the two files must come from one policy"
        ) from None
    return network, card


def write_checkpoint(
    run: Path, network: nn.Module, card: Mapping[str, Any], optimizer: Mapping[str, Any]
) -> Path:
    """Write the folder `run/checkpoints/<steps>`, whole or not at all; returns it.

    Args:
        run: the folder of the training run.
        network: whose weights are written.
        card: has `steps`. A checkpoint of that step count that is there already is replaced.
        optimizer: its `state_dict()`.

    Raises:
        InputError: if the place cannot be written.
    """
    folder = run / "checkpoints" / f"{card['steps']:09d}"
    with _said_plainly(run):
        building = Building.beside(folder)
        try:
            built = building.folder / folder.name
            built.mkdir()
            save_policy(built / POLICY, network, card)
            buffer = io.BytesIO()
            torch.save(optimizer, buffer)
            (built / OPTIMIZER).write_bytes(buffer.getvalue())
            building.finish(built)
        finally:
            building.remove()
    return folder


@contextmanager
def writing_run(run: Path) -> Iterator[None]:
    """Make the folder of a run, check that it can be written, and be its only writer.

    Raises:
        InputError: if it cannot be written, or another process is writing it.
    """
    with _said_plainly(run):
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=run / "checkpoints").close()
    with alone_in(run / "checkpoints", str(run)):
        yield


def saved_checkpoints(run: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    with _said_plainly(run):
        return sorted(each for each in run.glob("checkpoints/*") if each.name.isdigit())


def read_optimizer(folder: Path) -> dict[str, Any]:
    """The optimizer's state in a checkpoint folder.

    Raises:
        InputError: if it is missing, damaged, or would need code to be run.
    """
    path = folder / OPTIMIZER
    if not path.exists():
        raise InputError(f"{path} is missing; training cannot go on from {folder}")
    data = read_regular(path, LARGEST_WEIGHTS)
    try:
        state = read_tensors(data)
    except (ValueError, KeyError):
        state = None
    if not isinstance(state, dict):
        raise InputError(
            f"{path} is damaged or foreign; delete {folder} to go on from the checkpoint before it"
        )
    return state


@contextmanager
def _said_plainly(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            advice = "the disk is full; free some space, the checkpoints written so far are whole"
        else:
            advice = f"{(error.strerror or str(error)).lower()}; choose another --out"
        raise InputError(f"cannot write {where}: {advice}") from None
