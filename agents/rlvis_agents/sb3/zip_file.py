"""Agents saved by Stable-Baselines3, rebuilt as plain torch modules without running their code.

Its `.zip` describes most objects by a pickle, which is code, and beside it by readable metadata.
The metadata and the weights are enough for the usual networks; for others there is `trust`.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from rlvis.errors import InputError
from rlvis.images.observations import channels_first
from rlvis.images.preprocess import Preprocess
from rlvis.models.policy import MASK, Policy
from rlvis_agents.network import LAST_MAP
from rlvis_agents.sb3.action_heads import distribution_of
from rlvis_agents.sb3.archive import Archive
from rlvis_agents.sb3.networks import ACTOR_MEMORY, CRITIC_MEMORY
from rlvis_agents.sb3.rebuild import is_pooled, last_map, obstacle, rebuild_network
from rlvis_agents.sb3.vec_normalize import read_vec_normalize


def read_zip(
    path: Path,
    *,
    trust: bool = False,
    image_key: str | None = None,
    vec_normalize: str | Path | None = None,
    frames: int | None = None,
) -> Policy:
    """The policy in the `.zip` of an agent of Stable-Baselines3 or sb3-contrib.

    Args:
        path: the file.
        trust: let the library that saved it load it, running whatever code is in it; otherwise
            none is run.
        image_key: the entry of a Dict observation that is the image; the only one if left out.
        vec_normalize: the file that `VecNormalize.save` wrote, for an agent trained with it.
        frames: how many frames are stacked in its images, if known.

    Raises:
        InputError: if it is damaged, no such agent, or cannot be rebuilt from what is readable;
            with trust, if what it does is not what its layers do.
    """
    known = read_vec_normalize(vec_normalize) if vec_normalize is not None else None
    archive = Archive(path, image_key=image_key, normalizations=known)
    why = obstacle(archive)
    if why is None:
        policy = _rebuilt(archive, frames)
    elif not trust:
        raise archive.needs_trust(why)
    if not trust:
        return policy
    from rlvis_agents.sb3.trusted import check_same, load, parts_of

    agent = load(archive)
    if why is not None:
        policy = _policy(archive, parts_of(archive, agent.policy), None, frames)
    check_same(archive, policy, agent)
    return policy


def _rebuilt(archive: Archive, frames: int | None) -> Policy:
    """The policy of a network of the library's own making, seen to run on an empty observation."""
    distribution_of(archive)
    try:
        module = rebuild_network(archive)
        layer = LAST_MAP if is_pooled(archive) else last_map(archive, module)
        policy = _policy(archive, module, layer, frames)
        height, width, channels = archive.observation_shape
        blank = torch.zeros(1, channels, height, width, dtype=torch.uint8)
        usual = {key: float(key == MASK) for key in policy.context}
        policy.scores(
            blank,
            {key: torch.full((1, *policy.context[key]), each) for key, each in usual.items()},
        )
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise archive.damaged(f"its weights do not make its network ({why[:200]})") from None
    return policy


def _policy(archive: Archive, module: nn.Module, layer: str | None, frames: int | None) -> Policy:
    memory: dict[str, tuple[int, ...]] = {}
    for names, lstm in ((ACTOR_MEMORY, "lstm_actor"), (CRITIC_MEMORY, "lstm_critic")):
        part = getattr(module, lstm, None)
        if isinstance(part, nn.LSTM):
            memory |= dict.fromkeys(names, (part.num_layers, part.hidden_size))
    distribution = distribution_of(archive)
    labels = distribution.labels
    context = {key: entry.shape for key, entry in archive.entries.items()}
    if archive.masked:
        if MASK in context:
            raise InputError(f"an entry of the observations of {archive.path} is named {MASK!r}")
        context[MASK] = (len(labels),)
    return Policy(
        module.eval(),
        labels,
        _preprocess(archive),
        observation_shape=archive.observation_shape,
        name=archive.path.stem,
        layer=layer,
        description={"steps": archive.metadata.get("num_timesteps"), "file": archive.path.name},
        distribution=distribution,
        image_key=archive.image_key,
        context=context,
        memory=memory,
        frames=frames,
        pixel_range=archive.pixel_range,
    )


def _preprocess(archive: Archive) -> Callable[[Tensor], Tensor]:
    """What brings uint8 images (N, C, H, W) to the network."""
    if archive.normalization is not None:
        first = channels_first(archive.image.shape)
        return archive.normalization if first else archive.normalization.rearranged(2, 0, 1)
    if archive.pixel_range is not None:
        low, high = archive.pixel_range
        return Preprocess(mean=(-low / (high - low),), std=(1 / (high - low),))
    if archive.image.is_image and archive.scaled:
        return Preprocess()
    return Preprocess(std=(1 / 255,))
