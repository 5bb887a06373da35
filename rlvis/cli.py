"""The command `rlvis`: a thin skin over the functions that the API has.

Only this module may import the worlds and the agents besides the tools, and it does so when a
command needs them: torch is not loaded to print help.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.errors import InputError, unknown
from rlvis_agents.config import TrainConfig

if TYPE_CHECKING:
    from rlvis.model import ImageModel
    from rlvis.policy import Policy

Methods = Annotated[UseAppendAction[tuple[str, ...]], arg(name="method", aliases=["-m"])]
Targets = Annotated[UseAppendAction[tuple[str, ...]], arg(name="target", aliases=["-t"])]
EnvOptions = Annotated[UseAppendAction[tuple[str, ...]], arg(name="env-option")]
Wrappers = Annotated[UseAppendAction[tuple[str, ...]], arg(name="wrapper", aliases=["-w"])]


def explain(
    images: Positional[tuple[Path, ...]],
    /,
    model: str = "efficientnet-lite0",
    methods: Methods = (),
    targets: Targets = (),
    top: int = 1,
    every: bool = False,
    layer: str | None = None,
    scale: str = "row",
    weights: str | None = None,
    device: str = "cpu",
    out: Path | None = None,
    trust: bool = False,
) -> None:
    """Explain what a network sees in one or many pictures.

    Args:
        images: the pictures (PNG, JPEG, WebP, TIFF, GIF; any mode, any size).
        model: efficientnet-lite0, a torchvision model such as resnet18, one of timm such as
            timm/vit_tiny_patch16_224, or a policy (a shipped name or a path).
        methods: an attribution method, grad-cam when left out; repeat for several rows. Options
            follow a colon, as in occlusion:patch=32,stride=8.
        targets: a label to explain, the highest scores when left out; repeat for several columns.
        top: how many of the highest scores to explain where no target is named.
        every: explain every score, the highest first where there are more than ten.
        layer: the layer of class activation maps, the last spatial one when left out.
        scale: what full strength stands for: row (the most of a method's maps), cell (of each map)
            or a number.
        weights: a file with a state_dict, or "random"; the published weights when left out.
        device: where to compute, for example cuda.
        out: the picture to write, or a folder for several; NAME-explained.png when left out.
        trust: allow a Stable-Baselines3 zip to run code when it is loaded.
    """
    from rlvis.attribution import explain as explain_image
    from rlvis.attribution.registry import parse_value
    from rlvis.display.panel import check_size, save_panel
    from rlvis.targets import every as every_target
    from rlvis.targets import top as top_targets

    if not images:
        raise InputError("no picture given; name at least one file")
    if top < 1:
        raise InputError(f"cannot explain the top {top}; ask for at least 1")
    if every and (targets or top > 1):
        raise InputError("--every already shows all targets; leave --target and --top out")
    inspected = _load_model(model, weights, device, trust)
    count = min(top, len(inspected.labels))
    target = [*targets] or (every_target(inspected.labels) if every else top_targets(count))
    check_size(len(target), max(1, len(methods)))
    failures = []
    for path in images:
        try:
            explained = explain_image(
                inspected, path, list(methods or ("grad-cam",)), target, layer=layer
            )
            panel_path = _panel_path(path, out, len(images) > 1)
            print(save_panel(list(explained.values()), panel_path, parse_value(scale)))
        except InputError as error:
            failures.append(error)
            if len(images) > 1:
                print(f"rlvis: {error}", file=sys.stderr)
    if len(failures) > 1 or (failures and len(images) > 1):
        raise InputError(f"{len(failures)} of {len(images)} pictures could not be explained")
    if failures:
        raise failures[0]


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
            `rlvis train`, or the zip of an agent that sees images, by Stable-Baselines3 (PPO, A2C,
            DQN) or sb3-contrib (recurrent PPO, QR-DQN).
        env: a Gymnasium id such as CarRacing-v3 or module:Id-v0; the one it was trained in when
            left out.
        methods: an attribution method; repeat for several rows. When left out, cam where the
            network's head allows it, else grad-cam, and saliency.
        targets: what to explain, every action when left out; repeat for several. "left - right" is
            why left rather than right, "margin" the best action less the runner-up; also "highest",
            "log p(left)", "entropy", "value".
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
    from rlvis.attribution.registry import parse_value
    from rlvis.display.film import check_film
    from rlvis.recorder import record as record_rollout

    films = [each for each in (video, gif) if each]
    for film_path in films:
        check_film(film_path, fps, parse_value(scale))
    loaded = _load_policy(policy, trust, device, image_key, vec_normalize)
    with _progress("episode") as (start, advance):
        start(episodes, "recording")
        recording = record_rollout(
            loaded,
            env or _home(loaded),
            episodes=episodes,
            methods=methods or None,
            targets=targets,
            out=out,
            seed=seed,
            deterministic=deterministic,
            layer=layer,
            frames=frames,
            max_steps=max_steps,
            wrappers=wrappers,
            overwrite=overwrite,
            env_options=_options(env_options),
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
        actions: which actions to show, six at most when left out; repeat for several.
        episodes: the number of an episode to show, from 0, all when left out; repeat for several.
        fps: steps per second.
        scale: as for `rlvis record`.
    """
    from rlvis.recording import Recording

    opened = Recording.open(recording)
    _film(opened, out, fps, scale, methods=methods, actions=actions, episodes=episodes)


def evaluate(
    policy: str = "cube-reach",
    env: str | None = None,
    episodes: int = 100,
    seed: int = 1_000_000_000,
    deterministic: bool = False,
    wrappers: Wrappers = (),
    env_options: EnvOptions = (),
    image_key: str | None = None,
    vec_normalize: Path | None = None,
    trust: bool = False,
) -> None:
    """Play held-out episodes and report success, length and the use of the actions.

    Args:
        policy: as for `rlvis record`.
        env: a Gymnasium id; the one it was trained in when left out.
        episodes: how many.
        seed: of the first episode; training uses seeds far below the default.
        deterministic: take the most probable action instead of drawing one.
        wrappers, env_options, image_key, vec_normalize: as for `rlvis record`.
        trust: allow a Stable-Baselines3 zip to run code when it is loaded.
    """
    agents = _agents()
    loaded = _load_policy(policy, trust, image_key=image_key, vec_normalize=vec_normalize)
    print(
        agents.evaluate(
            loaded,
            env or _home(loaded),
            episodes=episodes,
            seed=seed,
            deterministic=deterministic,
            wrappers=wrappers,
            **_options(env_options),
        )
    )


def methods() -> None:
    """List the attribution methods with their papers and options."""
    from rlvis.attribution import METHODS

    width = max(map(len, METHODS))
    for each in METHODS.values():
        options = ", ".join(f"{name}={default}" for name, default in each.defaults.items())
        print(f"{each.name:{width}}  {each.reference}" + (f"  [{options}]" if options else ""))


def _load_model(name: str, weights: str | None, device: str, trust: bool) -> "ImageModel":
    """A classifier by name, or a policy that is given pictures of the size it was trained on."""
    from rlvis.classifiers import known_classifiers, load_classifier
    from rlvis.preprocess import Preprocess

    policies = _shipped_policies()
    if name not in policies and not Path(name).exists():
        known = known_classifiers(name)
        if name not in known:
            raise unknown("model", name, [*known, *policies])
        return load_classifier(name, weights=weights, device=device)
    policy = _load_policy(name, trust, device)
    if isinstance(policy.preprocess, Preprocess) and policy.observation_shape:
        policy.preprocess = replace(policy.preprocess, size=policy.observation_shape[:2])
    return policy


def _agents() -> Any:
    try:
        import rlvis_agents
    except ModuleNotFoundError as error:
        raise InputError(
            f"policies need {error.name}; install it with: pip install 'rlvis[agents]'"
        ) from None
    return rlvis_agents


def _shipped_policies() -> list[str]:
    try:
        return list(_agents().shipped_policies())
    except InputError:
        return []


def _load_policy(
    name: str,
    trust: bool,
    device: str = "cpu",
    image_key: str | None = None,
    vec_normalize: Path | None = None,
) -> "Policy":
    policy: Policy = _agents().load_policy(
        name, trust=trust, image_key=image_key, vec_normalize=vec_normalize
    )
    policy.module.to(device)
    return policy


def _home(policy: "Policy") -> str:
    """The environment that a policy was trained in."""
    environment = policy.description.get("environment")
    if not environment:
        raise InputError(
            f"{policy.name} does not say which environment it was trained in; name it with --env"
        )
    return str(environment)


def _options(written: Sequence[str]) -> dict[str, Any]:
    from rlvis.attribution.registry import parse_options

    return parse_options(written)


def _panel_path(image: Path, out: Path | None, several: bool) -> Path:
    name = f"{image.stem}-explained.png"
    if out is None:
        return Path(name)
    return out / name if several or out.is_dir() else out


def _film(recording: Any, path: Path, fps: float, scale: str, **choice: Any) -> None:
    from rlvis.attribution.registry import parse_value

    chosen = {name: list(value) for name, value in choice.items() if value}
    with _progress("frame") as (start, advance):
        start(recording.steps(chosen.get("episodes")), f"drawing {path}")
        recording.to_video(path, fps=fps, scale=parse_value(scale), on_frame=advance, **chosen)
    print(path)


@contextmanager
def _progress(
    unit: str,
) -> Iterator[tuple[Callable[[int, str], None], Callable[..., None]]]:
    """A progress bar on standard error: a function to start it and one to advance it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}s"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)

        def start(total: int, description: str) -> None:
            progress.update(task, total=total, description=description)

        def advance(note: str = "") -> None:
            progress.advance(task)
            if note:
                console.print(note, highlight=False)

        yield start, advance


def train(config: OmitArgPrefixes[TrainConfig]) -> None:
    """Train a policy with PPO on an environment whose observations are images."""
    _agents().train(config)


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "record": record,
    "video": video,
    "explain": explain,
    "evaluate": evaluate,
    "methods": methods,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; wrong input ends with one line and status 2, Ctrl-C with 130."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("PYGLET_HEADLESS", "true")  # for worlds of others drawn with pyglet
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="rlvis",
            description="See why a visual agent acts as it does.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except InputError as error:
        print(f"rlvis: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("rlvis: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
