"""`record`: a policy and an environment in, a recording with every step explained out."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from rlvis.attribution.engine import Methods, explain
from rlvis.attribution.explanation import Explanation
from rlvis.attribution.registry import Method, get_method
from rlvis.errors import InputError
from rlvis.instrument.layers import resolve_layer
from rlvis.models.distributions import Categorical
from rlvis.models.policy import Policy
from rlvis.models.targets import Target, TargetLike, as_targets, margin, score
from rlvis.models.targets import chosen as chosen_target
from rlvis.options import MANY, MOST_SEED, check_whole
from rlvis.progress import OnProgress, Progress, reporter
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import check_compatible, named_actions, stacked_frames
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.episode import Episode, as_episode, reduced_render, taken_of
from rlvis.rollouts.header import Header, MethodRecord
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.spaces import check_spaces
from rlvis.rollouts.stepper import Step, play
from rlvis.rollouts.success import SuccessRule, as_rule

if TYPE_CHECKING:
    from gymnasium import Env

Frames = Literal["sum", "last", "separate"]
"""Of stacked frames: maps over all of them together, over the latest only, or over each."""


def record(
    policy: Policy,
    environment: "str | Env",
    *,
    episodes: int = 1,
    methods: Methods | None = None,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    method: Methods | None = None,
    target: TargetLike | Sequence[TargetLike] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    deterministic: bool = False,
    layer: str | None = None,
    frames: Frames = "sum",
    max_steps: int = 1000,
    render: bool = True,
    labels: Sequence[str] | None = None,
    success: str | SuccessRule | None = None,
    wrappers: Sequence[str] = (),
    env_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_step: Callable[[], None] | None = None,
    on_episode: Callable[[Episode], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Recording:
    """Roll a policy out and explain every frame for every action.

    An episode is played first and then explained as one batch, which is much faster than frame by
    frame. Finished episodes stay in the recording whatever happens later. What a policy with memory
    remembered at a step, and other entries of its observation, are held as they were: a map says
    what mattered in this image, given those.

    Args:
        policy: from `rlvis_agents.load_policy`, or any `rlvis.Policy`.
        environment: a Gymnasium id, "CarRacing-v3" or "module:Id-v0", or an environment, which
            stays open.
        episodes: how many.
        methods: attribution methods, e.g. ["cam", "saliency"]; left out, plain CAM where the
            network's head allows it, else Grad-CAM, and saliency beside it.
        targets: what to explain, e.g. ["left - right", "margin", "value"]; left out, every action,
            and the one that was taken less the best of the others ("chosen").
        method, target: other spellings of `methods` and `targets`, as `rlvis.explain` has them.
        out: the folder of the recording; None keeps it in memory.
        seed: of the first episode; episode i is reset with seed + i, which its actions are sampled
            with, too.
        deterministic: take the most probable action instead of drawing one.
        layer: for the methods that read one; the last spatial layer when left out.
        frames: for stacked frames and methods that read pixels: one map over all frames ("sum"),
            over the "last" one, or one for each ("separate"). A layer mixes the frames, so a map
            made from one is always over all.
        max_steps: where the recording of an episode stops if it has not ended.
        render: keep the environment's own picture of every step, too.
        labels: names of the actions, in place of the policy's and the environment's.
        success: when an episode ended well, such as "return > 0.5"; see
            `rlvis.rollouts.success`. Left out, as the environment says.
        wrappers: put around the environment, the innermost first; see `rlvis.rollouts.wrappers`.
        env_options: passed to the environment's constructor.
        overwrite: replace an older recording at `out`.
        on_step, on_episode: called after every step and every written episode.
        on_progress: told after every step how many episodes are done; see `rlvis.progress`. It may
            raise KeyboardInterrupt to stop there: the episodes written so far stay.

    Raises:
        InputError: if the policy does not fit the environment, a name does not exist, or `out`
            cannot be written.
    """
    check_whole("episodes", episodes, 1, MANY)
    check_whole("max_steps", max_steps, 1, MANY)
    check_whole("seed", seed, 0, MOST_SEED)
    if frames not in get_args(Frames):
        raise InputError(f"no way {frames!r} to show frames; choose {', '.join(get_args(Frames))}")
    targets, methods = _either("target", target, targets), _either("method", method, methods)
    given = [methods] if isinstance(methods, (str, Method)) else methods or ()
    named, rule = [get_method(each) for each in given], as_rule(success)
    report = reporter(on_progress)
    with _opened(environment, wrappers, env_options or {}, render) as (world, name):
        check_compatible(policy, world, name)
        policy = _at_home(policy, world, labels)
        wanted = [] if targets in (None, (), []) else as_targets(targets, policy)
        contrast = not wanted and _can_be_compared(policy)
        explained = wanted or _every_action(policy, contrast)
        chosen, layer = _chosen(policy, world, named, wanted, layer, frames)
        header = Header(
            name,
            policy.name,
            list(policy.labels),
            _records(chosen, layer),
            policy.distribution,
            policy.frames or 1,
            list(wrappers),
            [each.name for each in wanted],
            str(rule) if rule else None,
            contrast,
            [each.unit_for(policy.distribution) for each in (wanted or explained[:1])],
        )
        recording = Recording.create(out, header, overwrite=overwrite)
        played = play(
            policy,
            [CheckedEnv(world, name)],
            episodes,
            seed=seed,
            deterministic=deterministic,
            max_steps=max_steps,
            picture=reduced_render if render and world.render_mode == "rgb_array" else None,
            success=rule,
        )
        steps: list[Step] = []
        try:
            for step in played:
                steps.append(step)
                if on_step:
                    on_step()
                done, note = step.episode, ""
                if step.outcome:
                    episode, steps = as_episode(steps, policy.distribution), []
                    recording.append(episode, _explain(policy, episode, chosen, explained, layer))
                    done += 1
                    note = (
                        f"episode of seed {episode.seed}: {episode.outcome}, {len(episode)} steps"
                    )
                    if on_episode:
                        on_episode(episode)
                report(Progress("recording", done, episodes, "episodes", note))
        finally:
            recording.discard_if_empty()
    return recording


def _either(name: str, one: Any, several: Any) -> Any:
    """A parameter that has two spellings.

    Raises:
        InputError: if both are given.
    """
    if one is not None and several not in (None, ()):
        raise InputError(f"{name} and {name}s are one parameter; give one of them")
    return several if one is None else one


@contextmanager
def _opened(
    environment: "str | Env", wrappers: Sequence[str], options: Mapping[str, Any], render: bool
) -> "Iterator[tuple[Env, str]]":
    """The environment, made so that its own picture can be kept where it has one, and its name."""
    if not isinstance(environment, str):
        if wrappers or options:
            raise InputError("wrappers and options belong to an environment's id; wrap it yourself")
        name = environment.spec.id if environment.spec else type(environment.unwrapped).__name__
        check_spaces(environment, name)
        yield environment, name
        return
    world = make_environment(environment, wrappers=wrappers, **options)
    modes = world.metadata.get("render_modes") or ()
    if render and "render_mode" not in options and "rgb_array" in modes:
        world.close()
        world = make_environment(environment, wrappers=wrappers, **options, render_mode="rgb_array")
    try:
        yield world, environment
    finally:
        world.close()


def _at_home(policy: Policy, world: "Env", labels: Sequence[str] | None) -> Policy:
    """The policy, knowing how many frames are stacked in its observations, and its actions by the
    names that are given, or by the environment's where it only numbers them."""
    known = copy.copy(policy)
    known.labels = named_actions(policy, world, labels)
    known.frames = policy.frames or stacked_frames(world) or 1
    return known


def _chosen(
    policy: Policy,
    world: "Env",
    named: Sequence[Method],
    targets: Sequence[Target],
    layer: str | None,
    frames: Frames,
) -> tuple[list[Method], str | None]:
    """The methods, one for each frame where asked for, and the layer that they read.

    They are tried on an observation drawn from the space, with every action possible: the
    environment that is to be played must not be reset for it, since some wrappers make a step of a
    second reset.
    """
    space = copy.deepcopy(world.observation_space)
    space.seed(0)
    image, entries = policy.observe(space.sample(), np.ones(len(policy.labels), bool))
    context = policy.context_of(1, {key: each[None] for key, each in entries.items()})
    inputs = policy.inputs(image[None])
    usual = named or usual_methods(policy, image, context)
    if any(each.reads_layer for each in usual):
        possible = [margin() if each.name == "chosen" else each for each in targets]
        layer = resolve_layer(policy, inputs, layer, context, possible)
    elif layer is not None:
        raise InputError(
            f"{', '.join(map(str, usual))} read no layer; leave {layer!r} out, or name a method "
            "that does, such as grad-cam"
        )
    count = policy.frames or 1
    if frames != "sum" and count == 1:
        raise InputError(f"frames={frames} does nothing where no frames are stacked; leave it out")
    return [part for each in usual for part in _by_frame(each, frames, count)], layer


def _by_frame(method: Method, frames: Frames, count: int) -> list[Method]:
    if frames == "sum" or count == 1 or method.frame is not None or not method.reads_pixels:
        return [method]
    return [method.configured(frame=each) for each in range(count)[-1 if frames == "last" else 0 :]]


def usual_methods(policy: Policy, image: Any, context: Mapping[str, Any]) -> list[Method]:
    """Plain CAM where the head is global average pooling and a linear layer, else Grad-CAM, and
    saliency; saliency alone where no layer has a map.

    Args:
        policy: the policy.
        image: one of its images, uint8 (H, W, C).
        context: of that image, (1, …) each.
    """
    saliency = get_method("saliency")
    try:
        explain(policy, image, "cam", 0, context=context)
        return [get_method("cam"), saliency]
    except InputError:
        pass
    try:
        resolve_layer(policy, policy.inputs(image[None]), None, policy.context_of(1, context))
    except InputError:
        return [saliency]
    return [get_method("grad-cam"), saliency]


def _records(methods: Sequence[Method], layer: str | None) -> list[MethodRecord]:
    return [
        MethodRecord(
            str(each),
            layer if each.reads_layer else None,
            each.signed,
            each.frame,
            each.one_sided,
            each.adds_up,
            each.unit,
        )
        for each in methods
    ]


def _can_be_compared(policy: Policy) -> bool:
    """Whether an action is one of several, of which another could have been taken."""
    return isinstance(policy.distribution, Categorical) and len(policy.labels) > 1


def _every_action(policy: Policy, contrast: bool) -> list[Target]:
    """Every action, and the one that was taken less the best of the others."""
    each = [score(index) for index in range(len(policy.labels))]
    return [*each, chosen_target()] if contrast else each


def _explain(
    policy: Policy,
    episode: Episode,
    methods: Sequence[Method],
    targets: Sequence[Target],
    layer: str | None,
) -> list[Explanation]:
    explained = explain(
        policy,
        episode.observations,
        methods,
        targets,
        layer=layer,
        context=episode.context,
        taken=taken_of(episode) if _can_be_compared(policy) else None,
    )
    return list(explained.values())
