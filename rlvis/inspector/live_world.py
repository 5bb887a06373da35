"""A world that runs beside the policy: acted in, changed, looked at. All of it on one thread."""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvis.errors import InputError, one_line, unknown
from rlvis.images.frames import picture_of
from rlvis.inspector.album import Album, Seen
from rlvis.inspector.choices import bounded_by
from rlvis.inspector.futures import Chance
from rlvis.inspector.live_moment import Change, Changes, Moment, lost_view, shows_itself
from rlvis.models.policy import MASK, Decision, Policy
from rlvis.rollouts.branches import as_episode, observed_image
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import Episode, EpisodeNumbers, taken_of
from rlvis.rollouts.interventions import ask, offered
from rlvis.rollouts.signals import signals_of
from rlvis.rollouts.states import FORMS, NoStatesError, form_of, is_bare, observed, restore
from rlvis.rollouts.stepper import Running, go_on, outcome_word
from rlvis.rollouts.success import ended_well

if TYPE_CHECKING:
    from gymnasium import Env

_MOST_BACK = 2000
_NUMBERS = ("margin", "entropy", "value", "reward", "return", "step")
_MOST_STEPS = 500
_MOST_SEED = 2**31 - 1


class LiveWorld:
    """A policy and an environment of its own.

    Args:
        policy: acts.
        env: it acts in; closed by `close`.
        number: of the world.
        album: keeps what the policy sees.
        leads_back: whether there is a way back to a moment; see `find_way_back`.
    """

    def __init__(
        self, policy: Policy, env: CheckedEnv, number: int, album: Album, leads_back: bool = True
    ) -> None:
        self.policy, self.number, self.leads_back = policy, number, leads_back
        self._env, self._album = env, album
        self._numbers = itertools.count()
        self._past: list[Moment] = []
        self._before_changes: list[Moment] = []
        self._gesture: object = None
        self._decided: tuple[int, Decision] | None = None
        self.reset(None)

    @property
    def environment(self) -> "Env":
        """It."""
        return self._env.environment

    def find_way_back(self) -> bool:
        """Whether there is one: the world has states, or begins again as it began. It begins."""
        before = self._now
        self.reset(self.seed)
        return bool(self._form) or self._shows(before.observation, self._now)

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
            bare = is_bare(self._env.environment)  # wrappers have states of their own
            self._form = form_of(self._env.environment) if bare else ""
        self._past, self._before_changes, self._gesture = [], [], None
        self._actions: list[Any] = []
        self._now = self._kept(Moment(observation, info))

    def act(self, action: int | None = None) -> None:
        """Take an action by the number of its score, or the policy's own."""
        now = self._now
        if now.ended is not None:
            raise InputError("the episode has ended; go back, or restart it")
        decision = self._decide()
        chosen = decision.action if action is None else self._as_action(action)
        observation, reward, terminated, truncated, info = self._env.step(chosen)
        self._actions[now.step :] = [chosen]
        over = terminated or truncated
        ended = outcome_word(terminated, truncated, ended_well(info)) if over else None
        self._past, self._gesture = [*self._past, now][-_MOST_BACK:], None
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
                now.changes,
            )
        )

    def back(self) -> None:
        """Go a step back."""
        if not self._past:
            raise InputError("this is the first step")
        self._return_to(self._past.pop())
        at = self._now.step
        self._before_changes = [each for each in self._before_changes if each.step <= at]

    def change(self, change: Change, gesture: object = None) -> None:
        """Change the world for good where it can be, else what is seen of it.

        Args:
            change: what.
            gesture: changes of the same, one after the other, are undone together where they are of
                one gesture.

        Raises:
            InputError: if the world cannot be changed so.
        """
        inner: Any = self._env.environment.unwrapped
        if not callable(getattr(inner, "change", None)):
            raise InputError(f"{self._env.name} has no change(); its world cannot be changed")
        self._require_bare()
        changes = self._now.changes.saying(change.of, change.words)
        try:
            observation, info = inner.change(change.intervention, *change.args, **change.named)
        except Exception as error:  # whatever the environment's own code raises
            if change.intervention != "without":
                raise InputError(one_line(error) or type(error).__name__) from error
            (name,) = change.args
            ask(self._env.environment, "without", name)
            changes = changes.saying(change.of, f"{change.words} in the picture", gone=name)
            self._change(object(), changes=changes)
            return
        gone_on = (change.of, gesture)
        self._change(gone_on, changes=changes, observation=observation, info=info)

    def hide(self, rect: Sequence[Any] | None) -> None:
        """Paint over a part of the picture: top, left, height and width; None for none."""
        changes = self._now.changes
        if rect is None:
            self._change(object(), changes=changes.saying("hidden", None, hidden=None))
            return
        if len(rect) != 4 or not all(
            isinstance(each, int) and 0 <= each < 1 << 16 for each in rect
        ):
            raise InputError("hide a rectangle: top, left, height and width in pixels")
        words = f"{rect[3]}×{rect[2]} pixels hidden"
        self._change(object(), changes=changes.saying("hidden", words, hidden=tuple(rect)))

    def undo(self, every: bool = False) -> None:
        """The world as it was before the last change, or before all of them."""
        if not self._before_changes:
            return
        before = self._before_changes[0 if every else -1]
        self._return_to(before)
        self._before_changes = [] if every else self._before_changes[:-1]
        self._past = [each for each in self._past if each.step < before.step]

    def play_on(
        self, first: Sequence[str | None], chance: Chance, by: Policy | None = None
    ) -> list[list[Episode]]:
        """What comes of this moment, which stays as it is.

        Args:
            first: the action that futures begin with, None for the policy's own, for each.
            chance: how they are played.
            by: who plays them, the policy when left out.

        Returns:
            For each of `first` its futures, the i-th of all with the same random numbers.
        """
        now, by = self._now, by or self.policy
        chosen = [None if each is None else self.index(each) for each in first]
        try:
            return [
                [self._future(each, number, by, chance) for number in range(chance.count(by))]
                for each in chosen
            ]
        finally:
            self._bring(now)

    def number_called(self, name: str) -> float:
        """A number of this moment: margin, entropy, value, reward, return or step."""
        if name not in _NUMBERS:
            raise unknown("number", name, _NUMBERS)
        return float(self._facts(self._decide())[name])

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self._now.ended is not None

    @property
    def at(self) -> int:
        """The number of this moment, at which the album has what the policy sees."""
        return self._now.number

    def look(self) -> tuple[Seen, dict[str, np.ndarray], dict[str, Any]]:
        """What the policy sees, kept in the album, and arrays and facts of what it would do."""
        decision = self._decide()
        context = {name: each[None] for name, each in decision.context.items()}
        seen = decision.image, context
        self._album.keep((self.number, self.at), seen)
        arrays = {
            "frame": picture_of(decision.image, self.policy.frames or 1),
            "probability": decision.probabilities,
        }
        if bounded_by(self.policy.distribution):
            entries = self.policy.distribution.modes(decision.logits[None])[0]
            arrays |= {"logit": decision.logits, "entry": entries}
        return seen, arrays, self._facts(decision)

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
            "world": self.number,
            "moment": now.number,
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
            "interventions": list(now.changes.words.values()),
            "undo": len(self._before_changes),
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

    def _as_action(self, place: int) -> int:
        """An action as the environment takes it, by the number of its score."""
        return int(self.policy.distribution.first[0]) + place  # type: ignore[attr-defined]

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
        """What the policy would do now, asked once."""
        now = self._now
        if self._decided is None or self._decided[0] != now.number:
            mask = self._env.action_mask() if MASK in self.policy.context else None
            decision = self.policy.act(self._seen(), None, True, now.memory, mask)
            self._decided = now.number, decision
        return self._decided[1]

    def _seen(self) -> Any:
        """The observation with what is changed in the picture alone."""
        observation, changes = self._now.observation, self._now.changes
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

    def _change(self, gesture: object, **changed: Any) -> None:
        """Go on from another moment than this one, to which `undo` leads back."""
        if gesture != self._gesture:
            self._before_changes.append(self._now)
        self._gesture = gesture
        self._now = self._kept(replace(self._now, **changed))

    def _kept(self, moment: Moment) -> Moment:
        """The moment with a number of its own, and the environment's state."""
        state = FORMS[self._form].get(self._env.environment) if self._form else None
        view = moment.view if moment.view is not None else lost_view(self._env, self._form)
        return replace(moment, state=state, view=view, number=next(self._numbers))

    def _return_to(self, moment: Moment) -> None:
        if moment.observation is not self._now.observation:  # else the picture alone was changed
            self._bring(moment)
        self._now, self._gesture = moment, None

    def _bring(self, moment: Moment) -> None:
        """Bring the environment to a moment: by its state, else played again from the seed.

        Raises:
            InputError: if it then shows something else; the episode begins anew.
        """
        if moment.state is not None:
            told = restore(self._form, self._env.environment, moment.state)
            seen, _ = observed(told)
            if seen is None or moment.changes != Changes() or self._shows(seen, moment):
                return
        if not self.leads_back:
            raise InputError(
                f"{self._env.name} gives no states and begins otherwise from the same seed, so "
                "that there is no way back; it needs get_state() and set_state(state)"
            )
        observation, _ = self._env.reset(self.seed)
        for action in self._actions[: moment.step]:
            observation = self._env.step(action)[0]
        if not self._shows(observation, moment):
            self.reset(self.seed)
            raise InputError(
                f"{self._env.name} gives no states that bring it back, and step {moment.step} is "
                f"another one when it is played again from seed {self.seed}; the episode begins "
                "anew"
            )

    def _shows(self, observation: Any, moment: Moment) -> bool:
        """Whether the policy would see the same."""
        seen, before = (
            observed_image(self.policy, each) for each in (observation, moment.observation)
        )
        return bool(np.array_equal(seen, before))

    def _future(self, action: int | None, number: int, by: Policy, chance: Chance) -> Episode:
        now = self._now
        self._bring(now)
        running = Running(
            self._env,
            0,
            self.seed,
            torch.Generator().manual_seed(self.seed * 1_000_003 + now.step * 1009 + number),
            now.observation,
            now.info,
            now.memory,
            forced=[] if action is None else [self._as_action(action)],
        )
        shown = number == 0 and shows_itself(self._env)
        steps = go_on(
            by,
            [running],
            deterministic=not chance.samples(by),
            max_steps=_MOST_STEPS,
            picture=now.views() if shown else None,
        )
        return as_episode(list(steps), by.distribution)


def places_in(env: "Env") -> dict[str, tuple[float, float, float]]:
    """X, z and angle of what stands in a world, by name; nothing where it does not say."""
    tell = getattr(env.unwrapped, "places", None)
    return dict(tell()) if callable(tell) else {}
