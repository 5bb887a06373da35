"""The command `rlvis record`."""

from pathlib import Path
from typing import Literal

from rlvis.cli.arguments import EnvOptions, Methods, Targets, Wrappers
from rlvis.cli.loading import draw_film, env_of, load_policy, read_labels, refuse_greed
from rlvis.cli.progress import progress


def command(
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
    world = env_of(loaded, env, wrappers, env_options)
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
        draw_film(recording, film_path, fps, scale)
