"""The policy of a recording: where it came from, and whether another one is it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.models.image_model import ImageModel
from rlvis.models.policy import Policy, require_policy
from rlvis.named_objects import is_named
from rlvis.rollouts.header import Header
from rlvis.zoo.loading import load_playing_policy
from rlvis.zoo.source import ModelSource

_TOLERANCE = 1e-3
"""Of scores computed on another machine, relative to the largest."""


def fingerprint(model: ImageModel) -> str:
    """A digest of a model's weights, their names, shapes and types: hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_recorded(header: Header, title: str) -> Policy:
    """The policy of a recording, from where it was loaded when it was recorded.

    A file may not choose what code is imported, so that policies made by code are only named.

    Args:
        header: of the recording.
        title: what errors call it.

    Raises:
        InputError: if it is not known, not there any more, or made by code.
    """
    source, ask = header.source, "name it with --policy (policy=)"
    if not source:
        raise InputError(f"{title} does not say where its policy {header.policy} is; {ask}")
    try:
        known = ModelSource(**{str(name): value for name, value in source.items()})
    except TypeError:
        raise InputError(f"{title} does not say where its policy is; {ask}") from None
    code = [each for each in source.values() if not isinstance(each, str) or is_named(each)]
    if code:
        raise InputError(
            f"{title} names code of its policy, {str(code[0])!r}, and a file may not choose what "
            f"code is imported; if you trust it, {ask}"
        )
    try:
        return load_playing_policy(known)
    except InputError as error:
        raise InputError(
            f"the policy of {title} cannot be loaded from where it was ({error}); {ask}"
        ) from None


def as_recorded(
    policy: Policy,
    header: Header,
    title: str,
    image: np.ndarray,
    context: Mapping[str, np.ndarray],
    logits: Sequence[float],
) -> Policy:
    """A policy with its actions named as in a recording, once it is known to be the recorded one.

    It is told by its weights, in recordings that do not hold their fingerprint by its scores.

    Args:
        policy: the policy.
        header: of the recording.
        title: what errors call it.
        image: a recorded observation, uint8 (H, W, C).
        context: what the policy knew besides, (1, …) each.
        logits: what its scores were then.

    Raises:
        InputError: if it is another one.
    """
    require_policy(policy)
    another = InputError(
        f"{policy.name} is another policy than {header.policy}, which was recorded in {title}; "
        "name that one with --policy (policy=)"
    )
    if len(policy.labels) != len(header.actions):
        raise another
    known = policy.with_changes(labels=tuple(header.actions), frames=header.frames)
    if header.fingerprint:
        if fingerprint(policy) != header.fingerprint:
            raise another
        return known
    try:
        scores: Any = known.scores(image[None], context).logits[0].float().cpu().numpy()
    except InputError:
        raise another from None
    expected = np.asarray(logits)
    finite = np.isfinite(expected)
    most = max(1.0, float(np.abs(expected[finite]).max(initial=0)))
    if not np.allclose(scores[finite], expected[finite], rtol=0, atol=_TOLERANCE * most):
        raise another
    return known
