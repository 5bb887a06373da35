"""Recordings as earlier versions wrote them, by Zarr itself, from what a recording of now gives."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from rlvis import Recording

_LATER = ("env_options", "source", "fingerprint", "states", "no_states", "no_environment")
_SINCE_3 = ("contrast", "units")


def write_as_before(recording: Recording, path: Path, version: int) -> Path:
    """Write a recording as version 1, 2 or 3 laid it out."""
    header: dict[str, Any] = recording.header.record()
    for name in (*_LATER, *(_SINCE_3 if version < 3 else ())):
        del header[name]
    for method in header["methods"] if version < 3 else ():
        for name in ("one_sided", "adds_up", "unit"):
            del method[name]
    root = zarr.create_group(str(path), attributes=header)
    root.attrs.update({"format": "rlvis-recording", "version": version})
    for number, name in enumerate(recording.index):
        group = root.create_group(name)
        for array, rows in _arrays(recording, number, version).items():
            _save(group, array, rows, version)
        group.attrs.update(_attributes(recording, number, version))
    root.attrs["episodes"] = recording.index
    return path


def _arrays(recording: Recording, number: int, version: int) -> dict[str, np.ndarray]:
    episode = recording.episode(number)
    arrays = {
        "observation": episode.observations,
        "action_taken": episode.actions,
        "reward": episode.rewards,
        "value": episode.values,
        "logit": episode.logits,
        "probability": episode.probabilities,
        **{f"context_{key}": each for key, each in episode.context.items()},
        **{f"info_{key}": each for key, each in episode.info.items()},
    }
    if episode.renders is not None:
        arrays["render"] = episode.renders
    for method in recording.header.methods:
        arrays[f"heatmaps/{method.name}"] = recording.heatmaps(number, method.name)
        if version < 3:
            continue
        contrast = recording.contrast_heatmaps(number, method.name)
        evidence = recording.evidence(number, method.name)
        if contrast is not None and not method.adds_up:
            arrays[f"contrasts/{method.name}"] = contrast
        if evidence is not None:
            arrays[f"evidence/{method.name}"] = evidence
        notes = recording.notes(number, method.name)
        told = [[_notes(recording, number).index("\n".join(each)) for each in row] for row in notes]
        arrays[f"notes/{method.name}"] = np.array(told, np.uint8)
    targets = recording.targets(number)
    if targets is not None:
        arrays["target_value"] = targets.values
    return arrays


def _notes(recording: Recording, number: int) -> list[str]:
    found = {""}
    for method in recording.header.methods:
        for row in recording.notes(number, method.name):
            found |= {"\n".join(each) for each in row}
    return sorted(found)


def _attributes(recording: Recording, number: int, version: int) -> dict[str, Any]:
    episode = recording.numbers(number)
    attributes: dict[str, Any] = {
        "seed": episode.seed,
        "steps": len(episode),
        "total_reward": episode.total_reward,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "success": episode.success,
        "outcome": episode.outcome,
    }
    if version > 1:
        attributes["arrays"] = list(_arrays(recording, number, version))
    if version > 2:
        attributes["notes"] = _notes(recording, number)[1:]
    targets = recording.targets(number)
    if targets is not None:
        attributes["targets"] = targets.names
    return attributes


def _save(group: zarr.Group, name: str, rows: np.ndarray, version: int) -> None:
    if version == 1:
        group.create_array(name, data=rows)
        return
    chunk = max(1, min(len(rows), 2**22 // max(1, rows[0].nbytes)))
    group.create_array(
        name,
        data=rows,
        chunks=(chunk, *rows.shape[1:]),
        compressors=[ZstdCodec(level=0), Crc32cCodec()],
        config={"write_empty_chunks": True},
        dimension_names=("time", *(f"{name}_{axis}" for axis in range(rows.ndim - 1))),
    )
