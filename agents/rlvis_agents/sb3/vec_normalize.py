"""The statistics of Stable-Baselines3's `VecNormalize`, read without running code from their file.

An agent's observations were normalised by them in training.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis.files import read_regular
from rlvis_agents.safe_reading.pickles import Inert, as_array, as_number, read_pickle

_LARGEST = 2**28


@dataclass(frozen=True)
class Normalization:
    """(x - mean) / √(variance + epsilon), clipped to ±clip.

    Attributes:
        mean, variance: float64, of the shape of one observation.
        epsilon: keeps the divisor from zero.
        clip: in standard deviations.
    """

    mean: np.ndarray
    variance: np.ndarray
    epsilon: float
    clip: float

    def __call__(self, observations: Tensor) -> Tensor:
        """Float32 (N, …) from observations (N, …) of any type."""
        device = observations.device
        mean = torch.as_tensor(self.mean, device=device)
        scale = torch.as_tensor(np.sqrt(self.variance + self.epsilon), device=device)
        return ((observations - mean) / scale).clamp(-self.clip, self.clip).float()

    def rearranged(self, *axes: int) -> "Normalization":
        """That of observations whose axes are in this order."""
        return replace(self, mean=self.mean.transpose(axes), variance=self.variance.transpose(axes))


def read_vec_normalize(path: str | Path) -> dict[str | None, Normalization]:
    """The normalizations in a file that `VecNormalize.save` wrote.

    Returns:
        One per normalised entry of a Dict observation, by its key; a single one by None where the
        observation is no Dict; none where only rewards were normalised.

    Raises:
        InputError: if there is no such file, or it holds something else.
    """
    data = read_regular(path, _LARGEST)
    try:
        found = read_pickle(data)
        metadata = found.state if isinstance(found, Inert) else {}
        if "norm_obs" not in metadata:
            raise ValueError("it describes another object")
        if not metadata["norm_obs"]:
            return {}
        running: Any = metadata["obs_rms"]
        named = running if isinstance(running, dict) else {None: running}
        return {key: _normalization(each, metadata) for key, each in named.items()}
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path} holds no VecNormalize statistics ({error}); "
            "give the file that VecNormalize.save wrote"
        ) from None


def _normalization(running: Any, metadata: dict[str, Any]) -> Normalization:
    state = running.state if isinstance(running, Inert) else {}
    mean, variance = (as_array(state[name]).astype(np.float64) for name in ("mean", "var"))
    epsilon, clip = as_number(metadata["epsilon"]), as_number(metadata["clip_obs"])
    sound = bool(np.isfinite(mean).all() and np.isfinite(variance).all())
    if mean.shape != variance.shape or not sound or epsilon <= 0 or clip <= 0:
        raise ValueError("they are damaged")
    if (variance < 0).any():
        raise ValueError("they are damaged")
    return Normalization(mean, variance, epsilon, clip)
