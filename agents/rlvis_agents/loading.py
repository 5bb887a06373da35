"""Any policy by its name or path: shipped, trained here, by Stable-Baselines3 or RL-Zoo."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from rlvis.errors import InputError, unknown
from rlvis.models.policy import Policy
from rlvis_agents.checkpoints import POLICY, checkpoints, read_policy
from rlvis_agents.network import LAST_MAP
from rlvis_agents.sb3.rl_zoo import is_zoo_run, read_zoo_run
from rlvis_agents.sb3.zip_file import read_zip

SHIPPED = Path(__file__).parent / "policies"


def shipped_policies() -> list[str]:
    """The names of the policies that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def load_policy(
    name_or_path: str | Path,
    *,
    trust: bool = False,
    image_key: str | None = None,
    vec_normalize: str | Path | None = None,
) -> Policy:
    """A policy, ready to act and to be explained.

    Args:
        name_or_path: a shipped name (`shipped_policies`), the folder of a run (its last checkpoint)
            or of a checkpoint, a `.safetensors` file with its `.json`, the `.zip` of an agent that
            sees images, saved by Stable-Baselines3 (PPO, A2C, DQN, SAC, TD3, DDPG) or sb3-contrib
            (recurrent and maskable PPO, QR-DQN, TQC), or the folder of a run of RL-Zoo. Of the
            latter the description holds the "environment", its "wrappers", the innermost first,
            and "env_options".
        trust: let its library load a `.zip`, which runs whatever code its author put in it.
            Without, no code from a file is ever run.
        image_key: of a `.zip`, the entry of its Dict observations that is the image; the only one
            if left out.
        vec_normalize: of a `.zip`, the file that `VecNormalize.save` wrote, where it was trained
            on normalised observations.

    Raises:
        InputError: if there is no such policy, or it is damaged, foreign, or cannot be rebuilt
            without trust.
    """
    if name_or_path in shipped_policies():
        return as_policy(*read_policy(SHIPPED / f"{name_or_path}.safetensors"))
    path = Path(name_or_path)
    if os.path.isdir(path):
        if is_zoo_run(path):
            return _of_zoo(path, trust, image_key, vec_normalize)
        return as_policy(*read_policy(_in_folder(path)))
    if not os.path.exists(path):
        if path.suffix or len(path.parts) > 1:
            shipped = ", ".join(shipped_policies())
            raise InputError(f"no file or folder {path}; shipped are {shipped}")
        raise unknown("policy", name_or_path, shipped_policies())
    if path.suffix in (".safetensors", ".json"):
        return as_policy(*read_policy(path.with_suffix(".safetensors")))
    if path.suffix == ".zip":
        return read_zip(path, trust=trust, image_key=image_key, vec_normalize=vec_normalize)
    raise InputError(
        f"{path} is no policy; give a shipped name, the folder of a run, a .safetensors file or "
        "a .zip by Stable-Baselines3"
    )


def _of_zoo(
    folder: Path, trust: bool, image_key: str | None, vec_normalize: str | Path | None
) -> Policy:
    run = read_zoo_run(folder)
    policy = read_zip(
        run.agent,
        trust=trust,
        image_key=image_key,
        vec_normalize=vec_normalize if vec_normalize is not None else run.statistics,
        frames=run.frames,
    )
    known = {"environment": run.environment, "wrappers": run.wrappers, "env_options": run.options}
    return policy.with_changes(
        name=folder.resolve().name, description={**policy.description, **known}
    )


def as_policy(network: nn.Module, card: Mapping[str, Any]) -> Policy:
    """The policy of a network that its card describes."""
    height, width, channels = card["observation_shape"]
    return Policy(
        network.eval(),
        card["labels"],
        observation_shape=(height, width, channels),
        name=card.get("name"),
        layer=LAST_MAP,
        description={key: value for key, value in card.items() if key != "labels"},
    )


def _in_folder(folder: Path) -> Path:
    if (folder / POLICY).exists():
        return folder / POLICY
    kept = checkpoints(folder)
    if not kept:
        raise InputError(f"{folder} holds no {POLICY} and no checkpoints; give the folder of a run")
    return kept[-1] / POLICY
