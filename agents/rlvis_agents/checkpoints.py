"""Policies and checkpoints on disk.

A policy is two files: weights (`.safetensors`) and a card (`.json`) that says what they are. A
checkpoint is a folder with a policy in it and what training needs to go on. Requirements:

- Reading one never runs code from it: the optimizer's state is the only file in torch's own format,
  and it is read with `weights_only=True`.
- What is there stays usable: a file or folder is written under a temporary name and then renamed.
"""

import errno
import io
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from rlvis.errors import InputError
from rlvis_agents.network import PolicyNetwork

FORMAT = "rlvis-policy-1"
POLICY = "policy.safetensors"
OPTIMIZER = "optimizer.pt"
Card = dict[str, Any]


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
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            try:
                temporary.write_bytes(data)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)


def read_card(path: Path) -> Card:
    """The card beside the weights at `path` (.safetensors).

    Raises:
        InputError: if it is missing, unreadable or not a policy's.
    """
    where = path.with_suffix(".json")
    try:
        card = json.loads(where.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{where} is missing; a policy is a .safetensors and a .json") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{where} cannot be read ({error}); take another checkpoint") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"{where} does not describe a policy of ours (no format {FORMAT!r})")
    return card


def read_policy(path: Path) -> tuple[PolicyNetwork, Card]:
    """The network with its weights, and its card, from `path` (.safetensors).

    Raises:
        InputError: if a file is missing, truncated, foreign, or the two do not fit together.
    """
    card = read_card(path)
    try:
        shape, labels, channels = (card[key] for key in ("observation_shape", "labels", "channels"))
        network = PolicyNetwork(shape[2], len(labels), channels)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError):
        raise InputError(
            f"{path.with_suffix('.json')} does not hold a sound observation_shape, labels and "
            "channels; take another checkpoint"
        ) from None
    try:
        weights = safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; a policy is a .safetensors and a .json") from None
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} is damaged or no safetensors file ({error}); take another checkpoint"
        ) from None
    try:
        network.load_state_dict(weights)
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
        card: has `steps`. A checkpoint of that step count that is there already is replaced.
        optimizer: its `state_dict()`.

    Raises:
        InputError: if the place cannot be written.
    """
    folder = run / "checkpoints" / f"{card['steps']:09d}"
    with _said_plainly(run):
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
        try:
            save_policy(temporary / POLICY, network, card)
            buffer = io.BytesIO()
            torch.save(optimizer, buffer)
            (temporary / OPTIMIZER).write_bytes(buffer.getvalue())
            temporary.chmod(0o755)
            if folder.exists():
                folder.rename(temporary / "replaced")
            temporary.rename(folder)
            shutil.rmtree(folder / "replaced", ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def prepare(run: Path) -> None:
    """Make the folder of a run, and see that it can be written, before any work is spent.

    Raises:
        InputError: if it cannot.
    """
    with _said_plainly(run):
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=run / "checkpoints").close()


def checkpoints(run: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    return sorted(each for each in run.glob("checkpoints/*") if each.name.isdigit())


def read_optimizer(folder: Path) -> dict[str, Any]:
    """The optimizer's state in a checkpoint folder.

    Raises:
        InputError: if it is missing, damaged, or would need code to be run.
    """
    path = folder / OPTIMIZER
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; training cannot go on from {folder}") from None
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        raise InputError(
            f"{path} is damaged or foreign; delete {folder} to go on from the checkpoint before it"
        ) from None
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
