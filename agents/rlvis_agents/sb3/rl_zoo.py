"""The folder of a run of RL-Zoo (rl_zoo3): an agent, and how its environment was made.

    logs/ppo/BreakoutNoFrameskip-v4_1/
        best_model.zip, BreakoutNoFrameskip-v4.zip, rl_model_100000_steps.zip
        BreakoutNoFrameskip-v4/args.yml, config.yml, vecnormalize.pkl

Its YAML names Python objects; they are read as plain data and none is made.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvis.errors import InputError
from rlvis.files import read_regular

_LARGEST = 2**18
_CHECKPOINT = re.compile(r"rl_model_(\d+)_steps\.zip")
_OURS: dict[str, tuple[str, dict[str, str]]] = {
    "AtariWrapper": ("atari", {}),
    "FrameSkip": ("frame-skip", {"skip": "frames"}),
    "GrayscaleObservation": ("grayscale", {}),
    "GrayScaleObservation": ("grayscale", {}),
}
_RESIZED = ("ResizeObservation", "YAMLCompatResizeObservation")
_WITHOUT_EFFECT = ("VecMonitor", "VecTransposeImage", "VecCheckNan", "VecExtractDictObs")


@dataclass(frozen=True)
class ZooRun:
    """What a run's folder says.

    Attributes:
        agent: the `.zip`.
        statistics: what `VecNormalize.save` wrote, if anything.
        environment: its id.
        wrappers: as `rlvis.rollouts.wrappers` takes them, the innermost first.
        options: of the environment's constructor.
        frames: how many are stacked, None where none are.
    """

    agent: Path
    statistics: Path | None
    environment: str
    wrappers: list[str]
    options: dict[str, Any]
    frames: int | None


def is_zoo_run(folder: Path) -> bool:
    """Whether a folder looks like one of RL-Zoo."""
    return os.path.isdir(folder) and any(folder.glob("*/config.yml"))


def read_zoo_run(folder: Path) -> ZooRun:
    """The agent in a run's folder, the best one where it was kept, else the last.

    Raises:
        InputError: if it holds no agent, or what was done to the environment cannot be read.
    """
    settings = sorted(folder.glob("*/config.yml"))
    if len(settings) != 1:
        raise InputError(f"{folder} holds {len(settings)} config.yml; give the folder of one run")
    inside = settings[0].parent
    config = _read(settings[0])
    arguments = _read(inside / "args.yml") if (inside / "args.yml").exists() else {}
    statistics = inside / "vecnormalize.pkl"
    if config.get("normalize") and not statistics.exists() and _normalizes(config["normalize"]):
        raise InputError(f"{statistics} is missing, without which its agent sees other numbers")
    frames = _stacked(config, folder)
    wrappers = [_written(each, folder) for each in _named(config.get("env_wrapper"), folder)]
    if frames:
        wrappers.append(f"frame-stack:frames={frames}")
    return ZooRun(
        _agent(folder, inside.name),
        statistics if statistics.exists() else None,
        _environment(arguments, inside.name),
        wrappers,
        _options(arguments.get("env_kwargs") or config.get("env_kwargs"), folder),
        frames,
    )


def _agent(folder: Path, name: str) -> Path:
    for path in (folder / "best_model.zip", folder / f"{name}.zip"):
        if path.exists():
            return path
    found = [
        (int(match[1]), path)
        for path in folder.glob("rl_model_*_steps.zip")
        if (match := _CHECKPOINT.fullmatch(path.name))
    ]
    if not found:
        raise InputError(f"{folder} holds no best_model.zip, {name}.zip or rl_model_*_steps.zip")
    return max(found)[1]


def _environment(arguments: dict[str, Any], folder: str) -> str:
    named = str(arguments.get("env") or folder)
    packages = arguments.get("gym_packages")
    if isinstance(packages, list) and packages and ":" not in named:
        return f"{packages[-1]}:{named}"
    return named


def _normalizes(told: Any) -> bool:
    """Whether the setting `normalize` is about observations, too."""
    return "'norm_obs': False" not in str(told)


def _stacked(config: dict[str, Any], folder: Path) -> int | None:
    frames = config.get("frame_stack")
    for name, options in _named(config.get("vec_env_wrapper"), folder):
        kind = name.split(".")[-1]
        if kind == "VecFrameStack":
            frames = options.get("n_stack")
        elif kind not in _WITHOUT_EFFECT:
            raise _unread(f"the wrapper {name} of several environments", folder)
    if frames in (None, 1):
        return None
    if type(frames) is not int or not 1 < frames <= 64:
        raise _unread(f"a stack of {str(frames)[:40]} frames", folder)
    return frames


def _named(told: Any, folder: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Wrappers and their options in a setting: a name, or a list of names and of dicts of them."""
    for each in told if isinstance(told, list) else [told] if told else []:
        if isinstance(each, str):
            yield each, {}
        elif isinstance(each, dict) and len(each) == 1:
            ((name, options),) = each.items()
            yield str(name), options if isinstance(options, dict) else {}
        else:
            raise _unread(f"the wrapper {str(each)[:80]}", folder)


def _written(wrapper: tuple[str, dict[str, Any]], folder: Path) -> str:
    """A wrapper as `rlvis.rollouts.wrappers` takes it, ours where it is the same."""
    path, options = wrapper
    kind = path.split(".")[-1]
    shape = options.get("shape")
    if kind in _RESIZED and shape is not None:
        height, width = shape if isinstance(shape, list) and len(shape) == 2 else (shape, shape)
        return _joined("resize", {"height": height, "width": width}, folder)
    if kind in ("GrayscaleObservation", "GrayScaleObservation") and not options.get("keep_dim"):
        return _joined(path, options, folder)
    name, renamed = _OURS.get(kind, (path, {}))
    told = {renamed.get(key, key): value for key, value in options.items() if key != "keep_dim"}
    return _joined(name, told, folder)


def _joined(name: str, options: dict[str, Any], folder: Path) -> str:
    for key, value in options.items():
        if not isinstance(value, bool | int | float | str) or re.search(r"[,:=\s]", str(value)):
            raise _unread(f"the option {key} of the wrapper {name}", folder)
    written = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{name}:{written}" if written else name


def _options(told: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(told, dict | None):
        raise _unread("env_kwargs", folder)
    for name, value in (told or {}).items():
        if value is not None and not isinstance(value, bool | int | float | str):
            raise _unread(f"the option {name} of its environment", folder)
    return {str(name): value for name, value in (told or {}).items()}


def _unread(what: str, folder: Path) -> InputError:
    return InputError(
        f"{folder}: {what} cannot be read; give its .zip instead, and the wrappers with -w"
    )


def _read(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, by name."""
    data = read_regular(path, _LARGEST)
    try:
        import yaml
    except ModuleNotFoundError:
        raise InputError("runs of RL-Zoo need PyYAML; pip install 'rlvis[agents]'") from None

    class Plain(yaml.SafeLoader):
        """Makes plain data of whatever a tag names; follows no merges."""

        def flatten_mapping(self, node: Any) -> None:
            """Leave `<<` alone: merges of merges grow without bounds."""

    def plain(loader: Any, _: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Plain.add_multi_constructor("tag:yaml.org,2002:python/", plain)
    try:
        found = yaml.load(data, Plain)
        if isinstance(found, list) and len(found) == 1:  # an OrderedDict is made from its pairs
            found = {str(key): value for key, value in found[0]}
        if not isinstance(found, dict):
            raise ValueError("it holds no settings")
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(f"{path} cannot be read ({why}); save the run again") from None
    return found
