"""Any policy by its name or path: shipped, trained here, by Stable-Baselines3 or RL-Zoo."""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from rlvis.errors import InputError, Notice, unknown
from rlvis.models.policy import Policy
from rlvis.zoo.label_names import read_labels
from rlvis.zoo.readers import Reader
from rlvis.zoo.source import ModelSource
from rlvis_agents.checkpoints import POLICY, read_policy, saved_checkpoints
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
    options = AgentOptions(trust, image_key, vec_normalize)
    if name_or_path in shipped_policies():
        policy = _read_ours(SHIPPED / f"{name_or_path}.safetensors", options)
        policy.source = {"model": str(name_or_path)}
        return policy
    policy = _read_path(Path(name_or_path), options)
    places = {"model": name_or_path, "vec_normalize": vec_normalize}
    policy.source = {name: os.path.abspath(place) for name, place in places.items() if place}
    if image_key:
        policy.source["image_key"] = image_key
    return policy


def _read_path(path: Path, options: "AgentOptions") -> Policy:
    if os.path.isdir(path):
        return _read_zoo_run(path, options) if is_zoo_run(path) else _read_run(path, options)
    if not os.path.exists(path):
        if path.suffix or len(path.parts) > 1:
            shipped = ", ".join(shipped_policies())
            raise InputError(f"no file or folder {path}; shipped are {shipped}")
        raise unknown("policy", path, shipped_policies())
    if path.suffix not in READER_OF:
        raise InputError(
            f"{path} is no policy; give a shipped name, the folder of a run, a .safetensors file "
            "or a .zip by Stable-Baselines3"
        )
    return READER_OF[path.suffix](path, options)


@dataclass(frozen=True)
class AgentOptions:
    """What the file of an agent does not say; see `load_policy`."""

    trust: bool = False
    image_key: str | None = None
    vec_normalize: str | Path | None = None


def _read_ours(path: Path, _: AgentOptions) -> Policy:
    return as_policy(*read_policy(path.with_suffix(".safetensors")))


def _read_run(folder: Path, _: AgentOptions) -> Policy:
    return as_policy(*read_policy(_in_folder(folder)))


def _read_sb3(path: Path, options: AgentOptions) -> Policy:
    return read_zip(path, **asdict(options))


READER_OF: dict[str, Callable[[Path, AgentOptions], Policy]] = {
    ".safetensors": _read_ours,
    ".json": _read_ours,
    ".zip": _read_sb3,
}
"""The reader of an agent's file, by the ending of its name."""


def _read_zoo_run(folder: Path, options: AgentOptions) -> Policy:
    run = read_zoo_run(folder)
    others = [each.name for each in folder.glob("*.zip") if each != run.agent]
    if others:
        warnings.warn(
            f"{folder} holds {len(others) + 1} agents; {run.agent.name} is taken, give the "
            "path of a .zip for another",
            Notice,
            stacklevel=2,
        )
    normalize = options.vec_normalize if options.vec_normalize is not None else run.statistics
    policy = read_zip(
        run.agent,
        trust=options.trust,
        image_key=options.image_key,
        vec_normalize=normalize,
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
    kept = saved_checkpoints(folder)
    if not kept:
        raise InputError(f"{folder} holds no {POLICY} and no checkpoints; give the folder of a run")
    return kept[-1] / POLICY


def _is_ours(source: ModelSource) -> bool:
    path = Path(source.model)
    if os.path.isdir(path):
        return not is_zoo_run(path)
    described = path.suffix == ".json" or os.path.exists(path.with_suffix(".json"))
    return source.model in shipped_policies() or (
        READER_OF.get(path.suffix) is _read_ours and os.path.exists(path) and described
    )


def _is_foreign(source: ModelSource) -> bool:
    path = Path(source.model)
    return is_zoo_run(path) or (
        READER_OF.get(path.suffix, _read_ours) is not _read_ours and os.path.exists(path)
    )


def _load(source: ModelSource) -> Policy:
    policy = load_policy(
        source.model,
        trust=source.trust,
        image_key=source.image_key,
        vec_normalize=source.vec_normalize,
    )
    return policy.with_labels(read_labels(source.labels)) if source.labels else policy


_OPTIONS = frozenset(field.name for field in fields(AgentOptions))
READERS = [
    Reader("a policy trained here", _is_ours, _load, frozenset({"labels"}), shipped_policies),
    Reader("an agent of Stable-Baselines3", _is_foreign, _load, _OPTIONS | {"labels"}),
]
"""What `rlvis.load_model` reads besides its own forms."""
