"""Training a policy: PPO, checkpoints, evaluation on held-out episodes, going on after a stop."""

import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import torch
from gymnasium import Env
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from rlvis.errors import InputError
from rlvis.models.devices import as_device
from rlvis.models.distributions import require_categorical
from rlvis.models.policy import Policy
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import action_names
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.spaces import distribution_over, image_shape
from rlvis_agents.checkpoints import (
    POLICY,
    Card,
    read_optimizer,
    read_policy,
    saved_checkpoints,
    write_checkpoint,
    writing_run,
)
from rlvis_agents.evaluation import HELD_OUT, evaluate
from rlvis_agents.loading import as_policy
from rlvis_agents.sb3.weight_names import from_sb3, to_sb3
from rlvis_agents.training.config import TrainConfig
from rlvis_agents.training.ppo import build
from rlvis_agents.training.progress import TrainingProgress


def train(config: TrainConfig, on_step: Callable[[], None] | None = None) -> Policy:
    """Train a policy with PPO, show how it goes, and return it as it is at the end.

    The run's folder gets `checkpoints/<steps>/`, each with the policy, its card (steps, seconds of
    training, the evaluation at that point) and the optimizer's state.

    Args:
        config: what is trained, and where.
        on_step: called after every step of the environments; it may raise KeyboardInterrupt to stop
            there.

    Raises:
        InputError: if a setting cannot work, the environment does not fit, or the folder cannot be
            written, holds a run already, or holds nothing to resume.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written and the way on is printed.
    """
    config.check()
    as_device(config.device)
    before = _last_checkpoint(config)
    done = int(before.name) if before is not None else 0
    envs = DummyVecEnv([partial(_monitored, config)] * config.envs)
    with ExitStack() as held:
        held.callback(envs.close)
        card = _card(config, envs.envs[0])
        ppo = build(config, envs, _seed(config.seed, done))
        if before is not None:
            card["seconds"] = _take_up(before, card, ppo)
        held.enter_context(writing_run(config.folder))
        _last_checkpoint(config)
        ppo.set_logger(_logger(config))
        progress = TrainingProgress(done, config.steps, shown=config.progress)
        with progress:
            callback = CheckpointCallback(ppo, config, card, progress, on_step)
            stopped = None
            try:
                _learn(ppo, config.steps - done, callback)
            except KeyboardInterrupt as stop:
                stopped = stop
            kept = callback.keep(evaluated=stopped is None)
    if stopped is not None:
        print(_way_on(config, kept))
        raise stopped
    return callback.policy


class CheckpointCallback(BaseCallback):
    """Looks at the training from within: progress, checkpoints, and whether to stop."""

    def __init__(
        self,
        ppo: PPO,
        config: TrainConfig,
        card: Card,
        progress: TrainingProgress,
        on_step: Callable[[], None] | None,
    ) -> None:
        super().__init__()
        self.ppo = ppo
        self.config = config
        self.card = card
        self.progress = progress
        self.after_step = on_step
        self._started = time.monotonic() - card["seconds"]

    @property
    def policy(self) -> Policy:
        """The policy as it is now, its weights copied."""
        return as_policy(from_sb3(self.ppo.policy.state_dict()), self.card)

    def keep(self, *, evaluated: bool) -> Path:
        """Write a checkpoint, evaluated if so wished and set; returns its folder."""
        begun = time.monotonic()
        self.card |= {"steps": self.ppo.num_timesteps, "seconds": round(self._seconds(), 1)}
        self.card.pop("evaluation", None)
        if evaluated and self.config.evaluation_episodes:
            self._evaluate()
        network, optimizer = from_sb3(self.ppo.policy.state_dict()), self.ppo.policy.optimizer
        kept = write_checkpoint(self.config.folder, network, self.card, optimizer.state_dict())
        self._started += time.monotonic() - begun
        return kept

    def _evaluate(self) -> None:
        episodes = self.config.evaluation_episodes
        config = self.config
        evaluation = evaluate(self.policy, config.env, episodes, **config.env_options)
        self.card["evaluation"] = evaluation.as_dict()
        self.progress.report(self.ppo.num_timesteps, evaluation)
        for name in ("success_rate", "mean_return", "mean_length"):
            if (value := getattr(evaluation, name)) is not None:
                self.logger.record(f"evaluation/{name}", value)

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _on_training_start(self) -> None:
        self._first_second = self.card["seconds"]
        self._started = time.monotonic() - self._first_second
        self._first_step = self._kept = self.ppo.num_timesteps

    def _on_rollout_start(self) -> None:
        if self.config.anneal:
            left = 1 - self.ppo.num_timesteps / self.config.steps
            self.ppo.ent_coef = self.config.entropy * max(left, 0)
        if self.ppo.num_timesteps - self._kept >= self.config.evaluate_every:
            self.keep(evaluated=True)
            self._kept = self.ppo.num_timesteps

    def _on_step(self) -> bool:
        steps = self.ppo.num_timesteps
        speed = (steps - self._first_step) / max(self._seconds() - self._first_second, 1e-9)
        self.progress.update(steps, speed, self.locals["infos"])
        if self.after_step:
            self.after_step()
        return True

    def _on_rollout_end(self) -> None:
        if "success" in self.progress.figures:
            self.logger.record("rollout/success_rate", self.progress.figures["success"])


def _learn(ppo: PPO, steps: int, callback: CheckpointCallback) -> None:
    """Train for so many steps.

    Raises:
        InputError: if the weights become NaN or infinite on the way.
    """
    try:
        ppo.learn(steps, callback, reset_num_timesteps=False)
    except ValueError as error:
        weights = ppo.policy.state_dict().values()
        if isinstance(error, InputError) or all(bool(each.isfinite().all()) for each in weights):
            raise
        raise InputError(
            f"training diverged after {ppo.num_timesteps:,} steps: its weights are not finite; "
            "take a smaller --learning-rate; the checkpoints so far are whole"
        ) from error


class _Told(gymnasium.Wrapper):
    """Tells in one line what fails in an environment, with its name, the episode and the step."""

    def __init__(self, environment: gymnasium.Env, name: str) -> None:
        super().__init__(environment)
        self._checked, self._episode = CheckedEnv(environment, name), -1

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self._episode += 1
        return self._checked.reset(seed, self._episode)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        return self._checked.step(action)


def _monitored(config: TrainConfig) -> Monitor:
    return Monitor(_Told(make_environment(config.env, **config.env_options), config.env))


def _seed(seed: int, done: int) -> int:
    """A seed of its own for each part of a run, so that a resumed one sees new worlds."""
    return int(np.random.SeedSequence([seed, done]).generate_state(1)[0] % (HELD_OUT // 2))


def _card(config: TrainConfig, environment: Env) -> Card:
    require_categorical(distribution_over(environment.action_space), "training")
    if environment.observation_space.dtype != np.uint8:
        raise InputError(f"training needs uint8 images; {config.env} gives floats, wrap it")
    settings = asdict(config)
    kept_apart = (
        "env",
        "env_options",
        "seed",
        "channels",
        "out",
        "resume",
        "progress",
        "tensorboard",
    )
    return {
        "name": config.folder.name,
        "environment": config.env,
        "env_options": dict(config.env_options),
        "observation_shape": list(image_shape(environment.observation_space)),
        "labels": list(action_names(environment)),
        "channels": list(config.channels),
        "seed": config.seed,
        "steps": 0,
        "seconds": 0.0,
        "training": {name: each for name, each in settings.items() if name not in kept_apart},
    }


def _last_checkpoint(config: TrainConfig) -> Path | None:
    """The checkpoint to go on from, None for a fresh run.

    Raises:
        InputError: if there is one but none is wanted, or the other way round, or it is the end.
    """
    kept = saved_checkpoints(config.folder)
    if not config.resume:
        if kept:
            raise InputError(
                f"{config.folder} holds a run of {int(kept[-1].name):,} steps; "
                "go on with --resume, or choose another --out"
            )
        return None
    if not kept:
        raise InputError(f"{config.folder} holds no checkpoint to go on from; leave out --resume")
    done = int(kept[-1].name)
    if done >= config.steps:
        raise InputError(f"{config.folder} has done {done:,} steps already; ask for more --steps")
    return kept[-1]


def _take_up(checkpoint: Path, card: Card, ppo: PPO) -> float:
    """Bring PPO to where a checkpoint left it; returns the seconds spent until then.

    Raises:
        InputError: if the checkpoint is damaged or of another environment or network.
    """
    network, before = read_policy(checkpoint / POLICY)
    before.setdefault("env_options", {})
    for name in ("environment", "env_options", "observation_shape", "labels", "channels"):
        if before.get(name) != card[name]:
            raise InputError(
                f"{checkpoint} was trained with {name} {before.get(name)}, not {card[name]}; "
                "choose another --out"
            )
    ppo.policy.load_state_dict(to_sb3(network))
    optimizer = read_optimizer(checkpoint)
    try:
        ppo.policy.optimizer.load_state_dict(optimizer)
        _check_fitting(ppo.policy.optimizer)
        ppo.num_timesteps, seconds = int(before["steps"]), float(before["seconds"])
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        raise InputError(
            f"the optimizer in {checkpoint} does not fit its policy, or its card lacks its steps; "
            "delete that folder to go on from the checkpoint before it"
        ) from None
    return seconds


def _check_fitting(optimizer: torch.optim.Optimizer) -> None:
    """Whether what an optimizer keeps of each parameter has its shape; raises ValueError if not."""
    for parameter, kept in optimizer.state.items():
        for name, each in kept.items():
            if torch.is_tensor(each) and each.ndim and each.shape != parameter.shape:
                raise ValueError(f"{name} is of another shape")


def _logger(config: TrainConfig) -> Logger:
    folder = str(config.folder / "tensorboard")
    if not config.tensorboard:
        return Logger(None, [])
    if find_spec("tensorboard") is None:
        raise InputError(
            "TensorBoard is not installed; pip install 'rlvis[agents]', or say --no-tensorboard"
        )
    return Logger(folder, [TensorBoardOutputFormat(folder)])


def _way_on(config: TrainConfig, kept: Path) -> str:
    """Where the checkpoint is, and the command that goes on from it with the same settings."""
    words = ["rlvis", "train"]
    for field in fields(config):
        value, name = getattr(config, field.name), field.name.replace("_", "-")
        if value == field.default or name == "resume":
            continue
        if isinstance(value, Mapping):
            for option in value.items():
                words += ["--env-option", "=".join(map(str, option))]
        elif isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return f"stopped; checkpoint in {kept}; go on with: {shlex.join([*words, '--resume'])}"
