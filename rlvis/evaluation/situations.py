"""The moments that an audit asks about: frames of many episodes, and the world at each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.models.image_model import ImageModel
from rlvis.models.policy import Policy
from rlvis.models.score_kinds import LOGITS
from rlvis.models.scores import Scores
from rlvis.progress import OnProgress, Progress
from rlvis.rollouts.branches import observed_image
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.interventions import offered
from rlvis.rollouts.state_keeper import StateKeeper
from rlvis.rollouts.states import FORMS, restore
from rlvis.rollouts.stepper import Step, play

if TYPE_CHECKING:
    from gymnasium import Env

BATCH = 256
PER_EPISODE = 5
_FEWEST_EPISODES = 12


def spread(places: np.ndarray, most: int) -> np.ndarray:
    """So many of them, from the first to the last."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class Pictures:
    """N images, what a model says of them, and which belong together.

    Attributes:
        model: that is asked.
        images: uint8 (N, H, W, C).
        context: (N, …) by name, what the model knows besides.
        logits: float (N, K).
        values: float (N,), NaN where the model has no critic.
        episodes: int (N,), the group of each, such as its episode.
    """

    model: ImageModel
    images: np.ndarray = field(repr=False)
    context: Mapping[str, np.ndarray] = field(repr=False)
    logits: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    episodes: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def preferred(self) -> np.ndarray:
        """Int (N,): the label of the highest score."""
        return self.logits.argmax(axis=1)

    @property
    def probabilities(self) -> np.ndarray:
        """Float (N, K): of what each score stands for."""
        return (self.model.kind or LOGITS).probabilities(torch.from_numpy(self.logits)).numpy()

    def first(self, count: int) -> "Pictures":
        """The first of them."""
        return Pictures(
            self.model,
            self.images[:count],
            {name: entry[:count] for name, entry in self.context.items()},
            self.logits[:count],
            self.values[:count],
            self.episodes[:count],
        )

    def plain(self) -> "Pictures":
        """The same without more, such as a world."""
        return self.first(len(self))

    def part(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """The context of some of the images."""
        return {name: entry[places] for name, entry in self.context.items()}

    def scores(self, images: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the model says of other images in these places: logits (M, K), values (M,)."""
        logits, values = [], []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            found = self.model.scores(images[part], self.part(places[part]))
            logits.append(_double(found.logits))
            values.append(_values(found))
        return np.concatenate(logits), np.concatenate(values)


@dataclass(frozen=True)
class Situations(Pictures):
    """N moments of E episodes, in the order of the episodes; images and values are the policy's.

    Attributes:
        world: one environment, brought to any of the moments by `at`.
        taken: int (N,), the action that was taken.
        steps: int (N,), of the moment in its episode.
        states: the world's state of each; None where it gives none.
        starts: the state of each episode's first moment, by its number.
        seeds: of each episode, by its number.
        successes: by the episode's number; without those of which nobody says it.
        returns: by the episode's number.
        form: of the states, see `rlvis.rollouts.states`; empty where there are none.
        no_states: why there are none.
    """

    world: CheckedEnv
    taken: np.ndarray = field(repr=False)
    steps: np.ndarray = field(repr=False)
    states: Sequence[bytes | None] = field(repr=False)
    starts: Mapping[int, bytes | None] = field(repr=False)
    seeds: Mapping[int, int] = field(repr=False)
    successes: Mapping[int, bool] = field(repr=False)
    returns: Mapping[int, float] = field(repr=False)
    form: str
    no_states: str

    @property
    def policy(self) -> Policy:
        """The model, which acts."""
        assert isinstance(self.model, Policy)
        return self.model

    def offers(self, *methods: str) -> bool:
        """Whether the world answers these questions, and can be brought to a moment to be asked."""
        return bool(self.form) and set(methods) <= set(offered(self.world.environment))

    def at(self, place: int) -> "Env":
        """The environment at a moment.

        Raises:
            InputError: if it refuses the state.
        """
        state = self.states[place]
        assert state is not None
        self.enter(state)
        return self.world.environment

    def enter(self, state: bytes) -> Any:
        """Bring the environment to a state; what it then shows."""
        told = restore(self.form, self.world.environment, FORMS[self.form].unpack(state))
        return told[0] if isinstance(told, tuple) else told

    def as_it_can_be_shown(self) -> Self:
        """The same without states where what the world shows in them is not what the policy saw."""
        if not self.form:
            return self
        why = next(filter(None, map(self._why_it_differs, range(len(self)))), "")
        return replace(self, form="", no_states=why) if why else self

    def _why_it_differs(self, place: int) -> str:
        """Why what is shown in the state of a moment is not what was seen; empty where it is."""
        try:
            observation = self.enter(self.states[place] or b"")
            if observation is None:
                return "it shows nothing when it is set to a state"
            same = np.array_equal(observed_image(self.policy, observation), self.images[place])
        except InputError as error:
            return str(error)
        if same:
            return ""
        return (
            "what the world shows in a state is not what the policy saw; its states leave "
            "something out, or wrappers change what it draws"
        )


def collect(
    policy: Policy,
    envs: Sequence[CheckedEnv],
    frames: int,
    *,
    episodes: int = 0,
    on_progress: OnProgress = lambda _: None,
    seed: int = 0,
    max_steps: int = 1000,
) -> Situations:
    """Play episodes with sampled actions and keep some moments of each, drawn by lot.

    Args:
        policy: of one choice of several actions.
        envs: of one kind; the first stays in use afterwards.
        frames: how many moments, five of each episode where it is as long.
        episodes: so many are played at least, of which each then has fewer moments.
        seed: of the first episode, and of the lot.
        max_steps: where an episode is stopped if it has not ended.
        on_progress: see `rlvis.progress`.

    Raises:
        InputError: if an environment fails, or the policy has no choice of one of several actions.
    """
    if len(policy.distribution.choices) != 1:
        raise InputError(
            f"an audit asks which of several actions is preferred; {policy.name} has "
            f"{policy.distribution}"
        )
    count = max(_FEWEST_EPISODES, episodes, -(-frames // PER_EPISODE))
    per_episode = -(-frames // count)
    kept: dict[int, list[Step]] = {}
    starts: dict[int, bytes | None] = {}
    ends: dict[int, Step] = {}
    under_way: dict[int, list[Step]] = {}
    keeper = StateKeeper()
    for step in play(policy, envs, count, seed=seed, max_steps=max_steps, state=keeper.state):
        under_way.setdefault(step.episode, []).append(step)
        if step.outcome is None:
            continue
        steps = under_way.pop(step.episode)
        lot = np.random.default_rng((seed, step.episode))
        chosen = lot.choice(len(steps), min(per_episode, len(steps)), replace=False)
        kept[step.episode] = [steps[place] for place in sorted(chosen.tolist())]
        starts[step.episode], ends[step.episode] = steps[0].state, step
        on_progress(Progress("playing", len(ends), count, "episodes"))
    moments = [step for number in sorted(kept) for step in kept[number]]
    few = [moments[place] for place in spread(np.arange(len(moments)), frames)]
    return _situations(policy, envs[0], few, starts, ends, keeper)


def _situations(
    policy: Policy,
    world: CheckedEnv,
    steps: Sequence[Step],
    starts: Mapping[int, bytes | None],
    ends: Mapping[int, Step],
    keeper: StateKeeper,
) -> Situations:
    decisions = [step.decision for step in steps]
    first = policy.distribution.first[0]  # type: ignore[attr-defined]
    outcomes = {number: step.outcome for number, step in ends.items() if step.outcome}
    found = Situations(
        policy,
        np.stack([each.image for each in decisions]),
        {
            name: np.stack([each.context[name] for each in decisions])
            for name in decisions[0].context
        },
        np.stack([each.logits for each in decisions]).astype(float),
        np.array([each.value for each in decisions]),
        np.array([step.episode for step in steps]),
        world,
        np.array([int(np.asarray(each.action)) - first for each in decisions]),
        np.array([step.number for step in steps]),
        [step.state for step in steps],
        dict(starts),
        {number: step.seed for number, step in ends.items()},
        {number: each.success for number, each in outcomes.items() if each.success is not None},
        {number: each.total for number, each in outcomes.items()},
        keeper.form or "",
        keeper.no_states,
    )
    return found.as_it_can_be_shown()


def _double(logits: torch.Tensor) -> np.ndarray:
    return logits.double().cpu().numpy()


def _values(scores: Scores) -> np.ndarray:
    if scores.value is None:
        return np.full(len(scores.logits), np.nan)
    return scores.value.double().cpu().numpy()
