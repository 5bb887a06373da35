"""`record`: a policy and an environment in, a recording with every step explained out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlvis.attribution.engine import explain
from rlvis.attribution.registry import Method, get_method
from rlvis.environments import (
    action_names,
    as_image,
    check_compatible,
    make_environment,
)
from rlvis.errors import InputError
from rlvis.explanation import Explanation
from rlvis.interrupt import interruptible
from rlvis.layers import resolve_layer
from rlvis.policy import Policy
from rlvis.recording import Header, MethodRecord, Recording
from rlvis.rollout import Episode, play_episode

if TYPE_CHECKING:
    from gymnasium import Env


def record(
    policy: Policy,
    environment: str,
    *,
    episodes: int = 1,
    methods: Sequence[str | Method] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    deterministic: bool = False,
    layer: str | None = None,
    max_steps: int = 1000,
    render: bool = True,
    env_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_step: Callable[[], None] | None = None,
    on_episode: Callable[[Episode], None] | None = None,
) -> Recording:
    """Roll a policy out and explain every frame for every action.

    An episode is played first and then explained as one batch, which is much faster than frame by
    frame. Finished episodes stay in the recording whatever happens later.

    Args:
        policy: from `rlvis_agents.load_policy`, or any `rlvis.Policy`.
        environment: a Gymnasium id, "CarRacing-v3" or "module:Id-v0".
        episodes: how many.
        methods: attribution methods, e.g. ["cam", "saliency"]; left out, plain CAM where the
            network's head allows it, else Grad-CAM, and saliency beside it.
        out: the folder of the recording; None keeps it in memory.
        seed: of the first episode and of the action draws; episode i is reset with seed + i.
        deterministic: take the most probable action instead of drawing one.
        layer: for the methods that read one; the last spatial layer when left out.
        max_steps: where the recording of an episode stops if it has not ended.
        render: keep the environment's own picture of every step, too.
        env_options: passed to the environment's constructor.
        overwrite: replace an older recording at `out`.
        on_step, on_episode: called after every step and every written episode.

    Raises:
        InputError: if the policy does not fit the environment, a name does not exist, or `out`
            cannot be written.
        KeyboardInterrupt: after Ctrl-C, at the next step; an episode being written is finished.
    """
    if episodes < 1:
        raise InputError(f"cannot record {episodes} episodes; ask for at least 1")
    if max_steps < 1:
        raise InputError(f"cannot stop after {max_steps} steps; ask for at least 1")
    named = [get_method(each) for each in methods or ()]
    world = _make(environment, dict(env_options or {}), render)
    try:
        check_compatible(policy, world, environment)
        observation, _ = world.reset(seed=seed)
        inputs = policy.inputs(as_image(observation)[None])
        chosen = named or usual_methods(policy, inputs)
        if any(each.reads_layer for each in chosen):
            layer = resolve_layer(policy, inputs, layer)
        header = Header(
            environment,
            policy.name,
            _labels(policy, world),
            _records(chosen, layer),
            policy.distribution,
        )
        recording = Recording.create(out, header, overwrite=overwrite)
        generator = torch.Generator().manual_seed(seed)
        with interruptible() as asked_to_stop:

            def step() -> None:
                if asked_to_stop():
                    raise KeyboardInterrupt
                if on_step:
                    on_step()

            for number in range(episodes):
                episode = play_episode(
                    policy,
                    world,
                    seed=seed + number,
                    generator=generator,
                    deterministic=deterministic,
                    max_steps=max_steps,
                    on_step=step,
                )
                recording.append(episode, _explain(policy, episode, chosen, layer))
                if on_episode:
                    on_episode(episode)
                if asked_to_stop():
                    raise KeyboardInterrupt
    finally:
        world.close()
    return recording


def usual_methods(policy: Policy, inputs: Tensor) -> list[Method]:
    """Plain CAM where the head is global average pooling and a linear layer, else Grad-CAM."""
    saliency = get_method("saliency")
    try:
        explain(policy, inputs, "cam", 0)
    except InputError:
        return [get_method("grad-cam"), saliency]
    return [get_method("cam"), saliency]


def _labels(policy: Policy, world: "Env") -> list[str]:
    """The policy's action names, or the environment's where the policy only numbers them."""
    numbered = policy.labels == policy.distribution.labels
    return list(action_names(world) if numbered else policy.labels)


def _records(methods: Sequence[Method], layer: str | None) -> list[MethodRecord]:
    return [
        MethodRecord(str(each), layer if each.reads_layer else None, each.signed)
        for each in methods
    ]


def _explain(
    policy: Policy, episode: Episode, methods: Sequence[Method], layer: str | None
) -> list[Explanation]:
    every_action = list(range(len(policy.labels)))
    return list(explain(policy, episode.observations, methods, every_action, layer=layer).values())


def _make(environment: str, options: dict[str, Any], render: bool) -> "Env":
    """The environment, made so that its own picture can be kept where it has one."""
    world = make_environment(environment, **options)
    if not render or "render_mode" in options:
        return world
    if "rgb_array" not in (world.metadata.get("render_modes") or ()):
        return world
    world.close()
    return make_environment(environment, **options, render_mode="rgb_array")
