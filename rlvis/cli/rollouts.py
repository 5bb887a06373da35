"""`rlvis train`, `record`, `video` and `evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.explaining import Methods, Targets
from rlvis.cli.loading import agents_package, load_policy, read_labels, refuse_unused, world_of
from rlvis.cli.progress import progress
from rlvis.errors import InputError
from rlvis_agents.training.config import TrainConfig

if TYPE_CHECKING:
    from rlvis.models.policy import Policy

EnvOptions = Annotated[UseAppendAction[tuple[str, ...]], arg(name="env-option")]
Wrappers = Annotated[UseAppendAction[tuple[str, ...]], arg(name="wrapper", aliases=["-w"])]


def train(config: OmitArgPrefixes[TrainConfig]) -> None:
    """Train a policy with PPO on an environment whose observations are images."""
    agents_package().train(config)


def record(
    policy: str = "cube-reach",
    env: str | None = None,
    methods: Methods = (),
    targets: Targets = (),
    episodes: int = 3,
    out: Path = Path("recording.zarr"),
    video: Path | None = Path("rollout.mp4"),
    gif: Path | None = None,
    seed: int = 0,
    deterministic: bool = False,
    layer: str | None = None,
    frames: Literal["sum", "last", "separate"] = "sum",
    max_steps: int = 1000,
    render: bool = True,
    labels: str | None = None,
    success: str | None = None,
    wrappers: Wrappers = (),
    env_options: EnvOptions = (),
    image_key: str | None = None,
    vec_normalize: Path | None = None,
    fps: float = 10,
    scale: str = "episode",
    device: str = "cpu",
    overwrite: bool = False,
    trust: bool = False,
) -> None:
    """Roll a policy out, explain every frame for every action, write recording and video.

    Args:
        policy: a shipped policy (cube-reach, cube-reach-distractors), a run or checkpoint of
            `rlvis train`, the folder of a run of RL-Zoo, or the zip of an agent that sees images,
            by Stable-Baselines3 (PPO, A2C, DQN, SAC, TD3, DDPG) or sb3-contrib (recurrent and
            maskable PPO, QR-DQN, TQC).
        env: a Gymnasium id such as CarRacing-v3 or module:Id-v0; the one it was trained in when
            left out.
        methods: an attribution method; repeat for several rows. When left out, cam where the
            network's head allows it, else grad-cam, and saliency.
        targets: what to explain; repeat for several. When left out every action, and "chosen", the
            action taken less the best of the others. "left - right" is why left rather than right,
            "margin" the best action less the runner-up; also "highest", "log p(left)", "entropy",
            "value".
        episodes: how many episodes.
        out: the folder of the recording (Zarr).
        video: the annotated video (MP4); None for none.
        gif: also write an animated GIF.
        seed: of the first episode and of the action draws.
        deterministic: take the most probable action instead of drawing one.
        layer: the layer of class activation maps, the last spatial one when left out.
        frames: of stacked frames, for methods that read pixels: one map over all of them (sum),
            over the last one, or one for each (separate).
        max_steps: where an episode's recording stops if it has not ended.
        render: keep the environment's own picture of every step, too.
        labels: names of the actions, separated by commas, or a file with one in each line.
        success: when an episode ended well, such as "return > 0.5"; return, length, reward (the
            last one) or an entry of the environment's info. As the environment says when left out.
        wrappers: a wrapper that it was trained with; repeat for several, the innermost first.
            grayscale, resize:height=84, frame-stack:frames=4, frame-skip:frames=4, atari, or any
            package.module.Wrapper, options after a colon.
        env_options: an option of the environment as name=value; repeat for several.
        image_key: the entry of a zip's Dict observations that is the image, the only one when left
            out.
        vec_normalize: the file that VecNormalize.save wrote, for a zip trained on normalised
            observations.
        fps: steps per second of the video.
        scale: what full strength in the video stands for: episode (the most of a method's maps in
            it), frame (in each frame) or a number.
        device: where to compute, for example cuda.
        overwrite: replace an older recording.
        trust: allow a Stable-Baselines3 zip to run code when it is loaded.
    """
    from rlvis.options import parse_value
    from rlvis.rollouts.film.writing import check_film
    from rlvis.rollouts.recorder import record as record_rollout

    films = [each for each in (video, gif) if each]
    for film_path in films:
        check_film(film_path, fps, parse_value(scale))
    loaded = load_policy(policy, trust, device, image_key, vec_normalize)
    refuse_greed(loaded, deterministic)
    world = world_of(loaded, env, wrappers, env_options)
    with progress("episode") as (start, advance):
        start(episodes, "recording")
        recording = record_rollout(
            loaded,
            world.environment,
            episodes=episodes,
            methods=methods or None,
            targets=targets,
            out=out,
            seed=seed,
            deterministic=deterministic,
            layer=layer,
            frames=frames,
            max_steps=max_steps,
            render=render,
            labels=read_labels(labels),
            success=success,
            wrappers=world.wrappers,
            overwrite=overwrite,
            env_options=world.options,
            on_episode=lambda episode: advance(
                f"episode of seed {episode.seed}: {episode.outcome}, {len(episode)} steps"
            ),
        )
    outcomes = [episode.outcome for episode in recording]
    print(f"{out}  {len(outcomes)} episodes, {outcomes.count('success')} with success")
    for film_path in films:
        _film(recording, film_path, fps, scale)


def video(
    recording: Positional[Path],
    /,
    out: Path = Path("rollout.mp4"),
    methods: Methods = (),
    actions: Annotated[UseAppendAction[tuple[str, ...]], arg(name="action")] = (),
    episodes: Annotated[UseAppendAction[tuple[int, ...]], arg(name="episode")] = (),
    fps: float = 10,
    scale: str = "episode",
) -> None:
    """Make the annotated video of a recording.

    Args:
        recording: a folder written by `rlvis record`.
        out: the video (.mp4) or animation (.gif).
        methods: which of the recorded methods to show, all when left out; repeat for several.
        actions: which actions to show, six at most and "chosen" when left out; repeat for several.
        episodes: the number of an episode to show, from 0, all when left out; repeat for several.
        fps: steps per second.
        scale: as for `rlvis record`.
    """
    from rlvis.options import parse_value
    from rlvis.rollouts.film.writing import check_film
    from rlvis.rollouts.recording import Recording

    check_film(out, fps, parse_value(scale))
    opened = Recording.open(recording)
    shown = episodes or opened.readable()
    _film(opened, out, fps, scale, methods=methods, actions=actions, episodes=shown)
    if not episodes and len(shown) < len(opened):
        raise InputError(
            f"{len(opened) - len(shown)} of {len(opened)} episodes are damaged; {out} shows the "
            "others"
        )


def evaluate(
    policy: str = "cube-reach",
    env: str | None = None,
    episodes: int = 100,
    seed: int = 1_000_000_000,
    deterministic: bool = False,
    labels: str | None = None,
    success: str | None = None,
    wrappers: Wrappers = (),
    env_options: EnvOptions = (),
    image_key: str | None = None,
    vec_normalize: Path | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """Play held-out episodes and report success, length and the use of the actions.

    Args:
        policy: as for `rlvis record`.
        env: a Gymnasium id; the one it was trained in when left out.
        episodes: how many.
        seed: of the first episode; training uses seeds far below the default.
        deterministic: take the most probable action instead of drawing one.
        labels, success, wrappers, env_options, image_key, vec_normalize: as for `rlvis record`.
        device: where to compute, for example cuda.
        trust: allow a Stable-Baselines3 zip to run code when it is loaded.
    """
    agents = agents_package()
    loaded = load_policy(policy, trust, device, image_key, vec_normalize)
    refuse_greed(loaded, deterministic)
    world = world_of(loaded, env, wrappers, env_options)
    print(
        agents.evaluate(
            loaded,
            world.environment,
            episodes=episodes,
            seed=seed,
            deterministic=deterministic,
            wrappers=world.wrappers,
            labels=read_labels(labels),
            success=success,
            **world.options,
        )
    )


def refuse_greed(policy: "Policy", deterministic: bool) -> None:
    """Refuse --deterministic for a policy that draws nothing."""
    from rlvis.models.distributions import Greedy

    if isinstance(policy.distribution, Greedy):
        where = f"for {policy.name}, which always takes the action of the highest score"
        refuse_unused(where, deterministic=deterministic)


def _film(recording: Any, path: Path, fps: float, scale: str, **choice: Any) -> None:
    from rlvis.options import parse_value

    chosen = {name: list(value) for name, value in choice.items() if value}
    with progress("frame") as (start, advance):
        start(recording.steps(chosen.get("episodes")), f"drawing {path}")
        recording.to_video(path, fps=fps, scale=parse_value(scale), on_frame=advance, **chosen)
    print(path)
