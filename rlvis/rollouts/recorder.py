"""`record`: a policy and an environment in, a recording with every step explained out."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.attribution.engine import Methods
from rlvis.attribution.registry import Method
from rlvis.errors import InputError
from rlvis.models.policy import Policy, require_policy
from rlvis.models.targets import TargetLike
from rlvis.options import MANY, MOST_SEED, check_whole
from rlvis.progress import OnProgress, Progress, reporter
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import check_compatible, named_actions, stacked_frames
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.episode import Episode, as_episode, reduced_render
from rlvis.rollouts.header import Header
from rlvis.rollouts.plan import ExplanationPlan, Frames
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.spaces import check_spaces
from rlvis.rollouts.stepper import Step, play
from rlvis.rollouts.success import SuccessRule, as_rule

if TYPE_CHECKING:
    from gymnasium import Env


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
        method: another spelling of `methods`, as `rlvis.explain` has it.
        target: another spelling of `targets`.
        out: the folder of the recording; None keeps it in memory.
        seed: of the first episode; episode i is reset with seed + i, which its actions are sampled
            with, too.
        deterministic: take the most probable action instead of sampling one.
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
        on_step: called after every step.
        on_episode: called after every written episode.
        on_progress: told after every step how many episodes are done; see `rlvis.progress`. It may
            raise KeyboardInterrupt to stop there: the episodes written so far stay.

    Raises:
        InputError: if the policy does not fit the environment, a name does not exist, or `out`
            cannot be written.
    """
    require_policy(policy)
    check_whole("episodes", episodes, 1, MANY)
    check_whole("max_steps", max_steps, 1, MANY)
    check_whole("seed", seed, 0, MOST_SEED)
    targets, methods = _either("target", target, targets), _either("method", method, methods)
    named = [methods] if isinstance(methods, (str, Method)) else methods or ()
    report, rule = reporter(on_progress), as_rule(success)
    with _opened(environment, wrappers, env_options or {}, render) as (env, name):
        check_compatible(policy, env, name)
        policy = _at_home(policy, env, labels)
        plan = ExplanationPlan.of(policy, env, named, targets, layer, frames)
        header = Header(
            name,
            policy.name,
            list(policy.labels),
            plan.method_records,
            policy.distribution,
            policy.frames or 1,
            list(wrappers),
            [each.name for each in plan.asked],
            str(rule) if rule else None,
            plan.contrast,
            plan.units,
        )
        recording = Recording.create(out, header, overwrite=overwrite)
        steps = play(
            policy,
            [CheckedEnv(env, name)],
            episodes,
            seed=seed,
            deterministic=deterministic,
            max_steps=max_steps,
            picture=reduced_render if render and env.render_mode == "rgb_array" else None,
            success=rule,
        )
        try:
            for step in _recorded(steps, recording, plan, on_episode):
                if on_step:
                    on_step()
                report(_progress(step, episodes))
        finally:
            recording.discard_if_empty()
    return recording


def _recorded(
    steps: Iterator[Step],
    recording: Recording,
    plan: ExplanationPlan,
    on_episode: Callable[[Episode], None] | None,
) -> Iterator[Step]:
    """The steps; each episode is explained and written once its last step has been taken."""
    taken: list[Step] = []
    for step in steps:
        taken.append(step)
        if step.outcome:
            episode, taken = as_episode(taken, plan.policy.distribution), []
            recording.append(episode, plan.explain(episode))
            if on_episode:
                on_episode(episode)
        yield step


def _progress(step: Step, episodes: int) -> Progress:
    done, note = step.episode, ""
    if step.outcome:
        done += 1
        note = f"episode of seed {step.seed}: {step.outcome.word}, {step.number + 1} steps"
    return Progress("recording", done, episodes, "episodes", note)


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
    env = make_environment(environment, wrappers=wrappers, **options)
    modes = env.metadata.get("render_modes") or ()
    if render and "render_mode" not in options and "rgb_array" in modes:
        env.close()
        env = make_environment(environment, wrappers=wrappers, **options, render_mode="rgb_array")
    try:
        yield env, environment
    finally:
        env.close()


def _at_home(policy: Policy, env: "Env", labels: Sequence[str] | None) -> Policy:
    """The policy as it is in an environment.

    It knows how many frames are stacked in its observations, and its actions by the names that are
    given, or by the environment's where it only numbers them.
    """
    known = copy.copy(policy)
    known.labels = named_actions(policy, env, labels)
    known.frames = policy.frames or stacked_frames(env) or 1
    return known
