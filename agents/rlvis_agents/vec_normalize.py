"""The statistics of Stable-Baselines3's `VecNormalize`, by which an agent's observations were
normalised in training, read without running code from their file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvis.errors import InputError
from rlvis_agents.pickles import Inert, read_pickle


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


def read_vec_normalize(path: str | Path) -> dict[str | None, Normalization]:
    """The normalizations in a file that `VecNormalize.save` wrote.

    Returns:
        One per normalised entry of a Dict observation, by its key; a single one by None where the
        observation is no Dict; none where only rewards were normalised.

    Raises:
        InputError: if there is no such file, or it holds something else.
    """
    path = Path(path)
    try:
        found = read_pickle(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"no file {path}; give the file that VecNormalize.save wrote") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} holds no VecNormalize statistics ({error})") from None
    facts = found.state if isinstance(found, Inert) else {}
    if "norm_obs" not in facts:
        raise InputError(f"{path} is no VecNormalize; give the file that VecNormalize.save wrote")
    if not facts.get("norm_obs"):
        return {}
    running: Any = facts["obs_rms"]
    named = running if isinstance(running, dict) else {None: running}
    return {
        key: Normalization(
            each.state["mean"], each.state["var"], facts["epsilon"], facts["clip_obs"]
        )
        for key, each in named.items()
    }
