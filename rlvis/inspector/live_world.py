"""A world that runs beside the policy: acted in, changed, looked at. All of it on one thread."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvis.errors import InputError, one_line, unknown
from rlvis.images.frames import picture_of
from rlvis.inspector.branching import some_views
from rlvis.models.policy import MASK, Decision, Policy
from rlvis.rollouts.branches import as_episode
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import Episode, EpisodeNumbers, reduced_render, taken_of
from rlvis.rollouts.interventions import ask, offered
from rlvis.rollouts.signals import signals_of
from rlvis.rollouts.states import FORMS, NoStatesError, form_of, restore
from rlvis.rollouts.stepper import Running, go_on, outcome_word
from rlvis.rollouts.success import ended_well

if TYPE_CHECKING:
    from gymnasium import Env

_MOST_BACK = 2000
_MOST_STEPS = 500
_MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Moment:
    """An observation that is to be acted on, and how it came about.

    Attributes:
        observation, info: as the environment told them.
        memory: what the policy remembers; None at an episode's start.
        step: since the reset.
        reward, total: of the step before, and of all.
        taken: the score of the action before, None at the start.
        ended: how the episode ended, None while it goes on.
        state: of the environment, None where it has none.
    """

    observation: Any
    info: Mapping[str, Any]
    memory: Mapping[str, np.ndarray] | None = None
    step: int = 0
    reward: float = 0.0
    total: float = 0.0
    taken: int | None = None
    ended: str | None = None
    state: Any = None


@dataclass
class Changes:
    """What was changed in the world, and in what the policy sees of it.

    Attributes:
        words: of each change.
        before: the moment before the first that lasts.
        gone: an object that is missing in the picture alone.
        hidden: the part of the picture that is painted over: top, left, height, width.
    """

    words: dict[str, str] = field(default_factory=dict)
    before: Moment | None = None
    gone: str | None = None
    hidden: tuple[int, int, int, int] | None = None


class LiveWorld:
    """A policy and an environment of its own.

    Args:
        policy: acts.
        env: it acts in; closed by `close`.
    """

    def __init__(self, policy: Policy, env: CheckedEnv) -> None:
        self.policy, self._env = policy, env
        self._changes = Changes()
        self._past: list[Moment] = []
        self.reset(None)

    @property
    def environment(self) -> "Env":
        """It."""
        return self._env.environment

    @property
    def has_states(self) -> bool:
        """Whether one can go back."""
        return bool(self._form)

    def close(self) -> None:
        """Close the environment."""
        self._env.environment.close()

    def reset(self, seed: int | None) -> None:
        """Start anew, from a seed or from any."""
        self.seed = int(np.random.default_rng().integers(1 << 16)) if seed is None else seed
        if not 0 <= self.seed <= _MOST_SEED:
            raise InputError(f"the seed {self.seed} is no number from 0 to {_MOST_SEED}")
        observation, info = self._env.reset(self.seed)
        self._form = ""
        with suppress(NoStatesError):
            self._form = form_of(self._env.environment)
        self._changes = Changes()
        self._past.clear()
        self._now = self._kept(Moment(observation, info))

    def act(self, action: int | None = None) -> None:
        """Take an action by the number of its score, or the policy's own."""
        now = self._now
        if now.ended is not None:
            raise InputError("the episode has ended; go back, or restart it")
        decision = self._decide()
        chosen = decision.action
        if action is not None:
            chosen = self.policy.distribution.first[0] + action  # type: ignore[attr-defined]
        observation, reward, terminated, truncated, info = self._env.step(chosen)
        over = terminated or truncated
        ended = outcome_word(terminated, truncated, ended_well(info)) if over else None
        self._past = [*self._past, now][-_MOST_BACK:]
        self._now = self._kept(
            Moment(
                observation,
                info,
                decision.memory,
                now.step + 1,
                reward,
                now.total + reward,
                self._place_of(chosen),
                ended,
            )
        )

    def back(self) -> None:
        """Go a step back."""
        if not self._past:
            raise InputError("this is the first step")
        self._return_to(self._past.pop())

    def change(self, words: str, key: str, intervention: str, *args: Any, **named: Any) -> None:
        """Change the world for good where it can be, else what is seen of it.

        Args:
            words: what is said of it.
            key: a later change of the same key replaces these words.
            intervention: a method of `Interventions`.
            *args: what it takes.
            **named: likewise.
        """
        inner: Any = self._env.environment.unwrapped
        if not callable(getattr(inner, "change", None)):
            raise InputError(f"{self._env.name} has no change(); its world cannot be changed")
        self._require_bare()
        before = self._now
        try:
            observation, info = inner.change(intervention, *args, **named)
        except Exception as error:  # whatever the environment's own code raises
            if intervention != "without":
                raise InputError(one_line(error) or type(error).__name__) from error
            ask(self._env.environment, "without", *args)
            self._changes.gone = str(args[0])
            self._changes.words[key] = f"{words} in the picture"
            return
        self._changes.before = self._changes.before or before
        self._changes.words[key] = words
        self._now = self._kept(replace(self._now, observation=observation, info=info))

    def hide(self, rect: Sequence[Any] | None) -> None:
        """Paint over a part of the picture: top, left, height and width; None for none."""
        if rect is None:
            self._changes.hidden = None
            self._changes.words.pop("hidden", None)
            return
        if len(rect) != 4 or not all(
            isinstance(each, int) and 0 <= each < 1 << 16 for each in rect
        ):
            raise InputError("hide a rectangle: top, left, height and width in pixels")
        top, left, height, width = rect
        self._changes.hidden = top, left, height, width
        self._changes.words["hidden"] = f"{width}×{height} pixels hidden"

    def undo(self) -> None:
        """The world as it was before the first change."""
        before = self._changes.before
        self._changes = Changes()
        if before is not None:
            self._past = [each for each in self._past if each.step < before.step]
            self._return_to(before)

    def futures(self, actions: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What comes of each action here, the likeliest one taken from there on; and views."""
        if self._now.state is None:
            raise InputError(f"{self._env.name} gives no states, so that nothing can be tried out")
        told, views, now = [], {}, self._now
        for place, name in enumerate(actions):
            episode = self._future(now, self.index(name))
            taken = taken_of(episode.distribution, episode.actions)
            told.append(
                {
                    "action": name,
                    "outcome": episode.outcome,
                    "success": episode.success,
                    "steps": len(episode),
                    "return": episode.total_reward,
                    "taken": taken,
                }
            )
            if episode.renders is not None:
                views[f"views_{place}"] = some_views(episode.renders)
        self._return_to(now)
        return told, views

    def number(self, name: str) -> float:
        """A number of this moment: margin, entropy, value, reward, return or step."""
        facts = self._facts(self._decide())
        if name not in ("margin", "entropy", "value", "reward", "return", "step"):
            raise unknown(
                "number", name, ("margin", "entropy", "value", "reward", "return", "step")
            )
        value = facts[name]
        return float("nan") if value is None else float(value)

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self._now.ended is not None

    def look(self) -> tuple[Decision, dict[str, np.ndarray], dict[str, Any]]:
        """What the policy sees and would do: the decision, arrays and facts."""
        decision = self._decide()
        arrays = {
            "frame": picture_of(decision.image, self.policy.frames or 1),
            "probability": decision.probabilities,
        }
        return decision, arrays, self._facts(decision)

    def plan(self, size: tuple[int, int]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The world from above, where places are on it, and what stands where."""
        env = self._env.environment
        if not {"render_view", "plan_mapping"} <= set(offered(env)):
            return {}, {}
        places = places_in(env)
        objects = [
            {"name": name, "x": x, "z": z, "angle": angle} for name, (x, z, angle) in places.items()
        ]
        mapping = list(ask(env, "plan_mapping", *size))
        return {"plan": ask(env, "render_view", "top", *size)}, {
            "mapping": mapping,
            "objects": objects,
        }

    def _facts(self, decision: Decision) -> dict[str, Any]:
        numbers = signals_of(self._as_numbers(decision))
        now = self._now
        return {
            "step": now.step,
            "seed": self.seed,
            "reward": now.reward,
            "return": now.total,
            "value": decision.value,
            "margin": float(numbers.margin[0]),
            "entropy": float(numbers.entropy[0]),
            "would": self._place_of(decision.action),
            "taken": now.taken,
            "ended": now.ended,
            "interventions": list(self._changes.words.values()),
        }

    def _as_numbers(self, decision: Decision) -> EpisodeNumbers:
        return EpisodeNumbers(
            seed=self.seed,
            actions=np.array([decision.action]),
            rewards=np.zeros(1, np.float32),
            logits=decision.logits[None],
            values=np.array([decision.value], np.float32),
            info={},
            terminated=False,
            truncated=False,
            success=None,
            distribution=self.policy.distribution,
        )

    def _place_of(self, action: Any) -> int | None:
        taken = taken_of(self.policy.distribution, np.array([action]))
        return None if taken is None else int(taken[0])

    def index(self, action: str) -> int:
        """The number of an action by its name."""
        if action not in self.policy.labels:
            raise unknown("action", action, self.policy.labels)
        if self._place_of(self._decide().action) is None:
            raise InputError(f"{self.policy.distribution} are no choice of one of several")
        return self.policy.labels.index(action)

    def _decide(self) -> Decision:
        mask = self._env.action_mask() if MASK in self.policy.context else None
        generator = torch.Generator().manual_seed(self.seed)
        return self.policy.act(self._seen(), generator, True, self._now.memory, mask)

    def _seen(self) -> Any:
        """The observation with what is changed in the picture alone."""
        observation, changes = self._now.observation, self._changes
        if changes.gone is not None:
            observation = ask(self._env.environment, "without", changes.gone)
        if changes.hidden is None:
            return observation
        top, left, height, width = changes.hidden
        key = self.policy.image_key
        image = np.array(observation if key is None else observation[key])
        part = image[top : top + height, left : left + width]
        part[...] = image.mean(axis=(0, 1)).astype(image.dtype)
        return image if key is None else {**observation, key: image}

    def _require_bare(self) -> None:
        """Whether the policy sees what the world draws."""
        space = self._env.environment.observation_space
        inner = self._env.environment.unwrapped.observation_space
        if getattr(space, "shape", None) != getattr(inner, "shape", None):
            raise InputError(
                "wrappers change the pictures of this world, so that it is not changed"
            )

    def _kept(self, moment: Moment) -> Moment:
        """The moment with the environment's state."""
        if not self._form:
            return moment
        return replace(moment, state=FORMS[self._form].get(self._env.environment))

    def _return_to(self, moment: Moment) -> None:
        if moment.state is None:
            raise InputError(f"{self._env.name} gives no states, so that there is no way back")
        restore(self._form, self._env.environment, moment.state)
        self._now = moment

    def _future(self, now: Moment, action: int) -> Episode:
        restore(self._form, self._env.environment, now.state)
        first = self.policy.distribution.first[0]  # type: ignore[attr-defined]
        running = Running(
            self._env,
            0,
            self.seed,
            torch.Generator().manual_seed(self.seed),
            now.observation,
            now.info,
            now.memory,
            forced=[first + action],
        )
        shown = self._env.environment.render_mode == "rgb_array"
        steps = go_on(
            self.policy,
            [running],
            deterministic=True,
            max_steps=_MOST_STEPS,
            picture=reduced_render if shown else None,
        )
        return as_episode(list(steps), self.policy.distribution)


def places_in(env: "Env") -> dict[str, tuple[float, float, float]]:
    """X, z and angle of what stands in a world, by name; nothing where it does not say."""
    tell = getattr(env.unwrapped, "places", None)
    return dict(tell()) if callable(tell) else {}
