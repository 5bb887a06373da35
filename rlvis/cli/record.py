"""The command `rlvis record`."""

from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes

from rlvis.cli.arguments import RolloutMethods, Targets
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.playing import EnvSource, FilmLook, Play, PolicySource

ROLLOUT = Path("rollout.mp4")


def command(
    source: OmitArgPrefixes[PolicySource] = PolicySource(),  # noqa: B008
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    play: OmitArgPrefixes[Play] = Play(),  # noqa: B008
    methods: RolloutMethods = (),
    targets: Targets = (),
    layer: str | None = None,
    frames: Literal["sum", "last", "separate"] = "sum",
    max_steps: int = 1000,
    render: bool = True,
    states: bool = True,
    parallel: int = 32,
    out: Path = Path("recording.zarr"),
    overwrite: bool = False,
    video: Path | None = ROLLOUT,
    gif: Path | None = None,
    look: OmitArgPrefixes[FilmLook] = FilmLook(),  # noqa: B008
) -> None:
    """Roll a policy out, explain every frame for every action, write recording and video.

    Args:
        source: the policy.
        env: the environment that it acts in.
        play: how it is played.
        methods: an attribution method; repeat for several rows. When left out, cam where the
            network's head allows it, else grad-cam, and saliency. "none" makes no maps: they are
            made when they are looked at, as by rlvis video.
        targets: what to explain; repeat for several. When left out every action, and "chosen", the
            action taken less the best of the others. "left - right" is why left rather than right,
            "margin" the best action less the runner-up, "against left" what speaks against it; also
            "highest", "p(left)", "log p(left)", "entropy", "value".
        layer: the layer of class activation maps, the last spatial one when left out.
        frames: of stacked frames, for methods that read pixels: one map over all of them (sum),
            over the last one, or one for each (separate).
        max_steps: where an episode's recording stops if it has not ended.
        render: keep the environment's own picture of every step, too, where it cannot be drawn
            later from the states; --no-render leaves it out.
        states: keep the environment's state before every step, where it has get_state; --no-states
            leaves it out.
        parallel: how many environments are played side by side.
        out: the folder of the recording (Zarr).
        overwrite: replace an older recording.
        video: the annotated video (MP4), of a recording without maps only where it is named; None
            for none.
        gif: also write an animated GIF.
        look: of the video.
    """
    from rlvis.rollouts.overview import success_of
    from rlvis.rollouts.recorder import record as record_rollout

    unasked = video is ROLLOUT and methods == ("none",)
    films = [each for each in (None if unasked else video, gif) if each]
    for film in films:
        look.check(film)
    policy = source.load_policy()
    play.check(policy)
    config = env.of(policy)
    with stoppable_progress() as on_progress:
        recording = record_rollout(
            policy,
            config.environment,
            episodes=play.episodes,
            methods=methods or None,
            targets=targets,
            out=out,
            seed=play.seed,
            deterministic=play.deterministic,
            layer=layer,
            frames=frames,
            max_steps=max_steps,
            render=None if render else False,
            states=states,
            parallel=parallel,
            labels=policy.labels if source.labels else None,
            success=play.success,
            wrappers=config.wrappers,
            overwrite=overwrite,
            env_options=config.options,
            on_progress=on_progress,
        )
    print(f"{out}  {len(recording)} episodes, {success_of(recording)}")
    for film in films:
        look.draw(recording, film)
