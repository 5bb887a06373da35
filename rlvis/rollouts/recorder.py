"""`record`: a policy and an environment in, a recording out, every step explained where asked for.

    play      environments side by side, their images through the network together
    explain   the steps of a moment, of whichever episodes, together
    write     by a thread of its own, a chunk at a time

so that neither takes more memory where episodes are longer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.attribution.engine import Methods
from rlvis.attribution.registry import Method
from rlvis.errors import InputError
from rlvis.interrupt import Stopped
from rlvis.models.policy import Policy, require_policy
from rlvis.models.targets import TargetLike
from rlvis.options import MANY, MOST_SEED, check_whole
from rlvis.progress import OnProgress, Progress, reporter
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import at_home, check_compatible
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.header import Header
from rlvis.rollouts.pipeline import Besides, Pipeline
from rlvis.rollouts.plan import ExplanationPlan, Frames, sample_of
from rlvis.rollouts.recorded_policy import fingerprint
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.spaces import check_spaces
from rlvis.rollouts.states import is_plain
from rlvis.rollouts.stepper import play
from rlvis.rollouts.success import SuccessRule, as_rule
from rlvis.rollouts.view_check import ViewCheck

if TYPE_CHECKING:
    from gymnasium import Env

NONE = "none"
"""In place of methods: maps are made when they are looked at."""


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
    render: bool | None = None,
    states: bool = True,
    labels: Sequence[str] | None = None,
    success: str | SuccessRule | None = None,
    wrappers: Sequence[str] = (),
    env_options: Mapping[str, Any] | None = None,
    parallel: int = 32,
    overwrite: bool = False,
    on_step: Callable[[], None] | None = None,
    on_episode: Callable[[Episode], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Recording:
    """Roll a policy out, and explain every frame for every action where maps are wanted.

    Steps of several episodes are played and explained together, which is much faster than one by
    one; memory does not grow with the length of the episodes. Finished episodes stay in the
    recording whatever happens later. What a policy with memory remembered at a step, and other
    entries of its observation, are held as they were: a map says what mattered in this image, given
    those.

    Args:
        policy: from `rlvis_agents.load_policy`, or any `rlvis.Policy`.
        environment: a Gymnasium id, "CarRacing-v3" or "module:Id-v0", or an environment, which
            stays open.
        episodes: how many.
        methods: attribution methods, e.g. ["cam", "saliency"]; left out, plain CAM where the
            network's head allows it, else Grad-CAM, and saliency beside it. "none" makes no maps:
            they are made when they are looked at, see `Recording.explained`.
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
        render: keep the environment's own picture of every step, too. Left out, it is kept where
            there are states and it cannot be drawn later from them, which is tried, see
            `Recording.renders`; and beside maps where there are no states.
        states: keep the environment's state before every step, where it has `get_state`.
        labels: names of the actions, in place of the policy's and the environment's.
        success: when an episode ended well, such as "return > 0.5"; see
            `rlvis.rollouts.success`. Left out, as the environment says.
        wrappers: put around the environment, the innermost first; see `rlvis.rollouts.wrappers`.
        env_options: passed to the environment's constructor.
        parallel: environments held at once, where they are made by an id.
        overwrite: replace an older recording at `out`.
        on_step: called after every step.
        on_episode: called after every written episode, as they end.
        on_progress: called after every step with the number of episodes that are written; see
            `rlvis.progress`. It may raise KeyboardInterrupt to stop there: the episodes finished so
            far stay.

    Raises:
        InputError: if the policy does not fit the environment, a name does not exist, or `out`
            cannot be written.
    """
    require_policy(policy)
    check_whole("episodes", episodes, 1, MANY)
    check_whole("max_steps", max_steps, 1, MANY)
    check_whole("seed", seed, 0, MOST_SEED)
    check_whole("parallel", parallel, 1, 1024)
    targets, methods = _either("target", target, targets), _either("method", method, methods)
    named = [methods] if isinstance(methods, (str, Method)) else list(methods or ())
    rule, report = as_rule(success), reporter(on_progress)
    with (
        ExitStack() as opened,
        opened_environments(
            environment, wrappers, env_options or {}, render is not False, min(parallel, episodes)
        ) as envs,
    ):
        name, first = envs[0].name, envs[0].environment
        check_compatible(policy, first, name)
        policy = at_home(policy, first, labels)
        header = Header(
            name,
            policy.name,
            list(policy.labels),
            [],
            policy.distribution,
            policy.frames or 1,
            list(wrappers),
            success=str(rule) if rule else None,
            source=policy.source,
            fingerprint=fingerprint(policy),
            **_options(environment, env_options or {}),
        )
        plan = None
        if named == [NONE]:
            _refuse_for_none(targets=targets, layer=layer)
        else:
            plan = ExplanationPlan.of(
                policy, *sample_of(policy, first), named, targets, layer, frames
            )
            header = plan.described(header)
        check = None
        if isinstance(environment, str) and first.render_mode == "rgb_array":
            options = {**(env_options or {}), "render_mode": "rgb_array"}
            make = partial(make_environment, environment, wrappers=wrappers, **options)
            check = ViewCheck(make, name, opened)
        besides = Besides(render, plan is not None, states, check)
        steps = play(
            policy,
            envs,
            episodes,
            seed=seed,
            deterministic=deterministic,
            max_steps=max_steps,
            picture=besides.picture if first.render_mode == "rgb_array" else None,
            state=besides.state,
            success=rule,
        )
        recording = Recording.create(out, header, overwrite=overwrite)
        recording.remember(policy)
        pipeline = Pipeline(recording, plan, besides)
        done = 0

        def announce(*, stoppable: bool) -> None:
            nonlocal done
            for each in pipeline.written():
                done += 1
                if on_episode:
                    on_episode(recording.episode_named(each.number))
                try:
                    report(Progress("recording", done, episodes, "episodes", each.note))
                except KeyboardInterrupt:
                    if stoppable:
                        raise

        try:
            with pipeline:
                for step in steps:
                    pipeline.put(step)
                    if on_step:
                        on_step()
                    report(Progress("recording", done, episodes, "episodes"))
                    announce(stoppable=True)
        except KeyboardInterrupt:
            announce(stoppable=False)
            kept = len(recording)
            raise Stopped(
                f"stopped; {kept} of {episodes} episodes are in {recording.title}"
                if kept
                else "stopped before the first episode was whole; nothing was recorded"
            ) from None
        announce(stoppable=False)
    return recording


def _either(name: str, one: Any, several: Any) -> Any:
    """A parameter that has two spellings.

    Raises:
        InputError: if both are given.
    """
    if one is not None and several not in (None, ()):
        raise InputError(f"{name} and {name}s are one parameter; give one of them")
    return several if one is None else one


def _refuse_for_none(**given: Any) -> None:
    """Refuse what says how maps are made where none are.

    Raises:
        InputError: naming the first that was given.
    """
    for name, value in given.items():
        if value not in (None, (), []):
            raise InputError(f"{name} does nothing where no maps are made; leave it out")


@contextmanager
def opened_environments(
    environment: "str | Env",
    wrappers: Sequence[str],
    options: Mapping[str, Any],
    render: bool,
    count: int,
) -> Iterator[list[CheckedEnv]]:
    """So many environments, made so that their own picture can be kept where they have one."""
    if not isinstance(environment, str):
        if wrappers or options:
            raise InputError("wrappers and options belong to an environment's id; wrap it yourself")
        if not hasattr(environment, "observation_space"):
            raise InputError(
                f"{type(environment).__name__} is no environment; give a Gymnasium id or an "
                "environment that was made"
            )
        name = environment.spec.id if environment.spec else type(environment.unwrapped).__name__
        check_spaces(environment, name)
        yield [CheckedEnv(environment, name)]
        return
    how = dict(options)
    with ExitStack() as opened:

        def make() -> "Env":
            env = make_environment(environment, wrappers=wrappers, **how)
            opened.callback(env.close)
            return env

        envs = [make()]
        modes = envs[0].metadata.get("render_modes") or ()
        if render and "render_mode" not in options and "rgb_array" in modes:
            opened.close()
            how["render_mode"] = "rgb_array"
            envs = [make()]
        envs += [make() for _ in range(count - 1)]
        yield [CheckedEnv(env, environment) for env in envs]


def _options(environment: "str | Env", options: Mapping[str, Any]) -> dict[str, Any]:
    """What of a header says how the environment is made again, or why it cannot be."""
    if not isinstance(environment, str):
        return {"no_environment": "it was given as an object, not by its id"}
    if not is_plain(options):
        return {"no_environment": "its options hold other things than JSON does"}
    return {"env_options": dict(options)}
