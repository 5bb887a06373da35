"""What each action is really worth: Q(s, a), by trying every action and letting the policy go on.

A world without chance that offers a `simulation` is not played but computed, see `value_bounds`.
Any other world that can be brought back to a moment is played from there, several times for each
action.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.evaluation.paired_futures import surely_better
from rlvis.evaluation.situations import Situations
from rlvis.evaluation.value_bounds import computed_values
from rlvis.models.policy import Policy
from rlvis.options import MANY
from rlvis.progress import OnProgress, Progress
from rlvis.rollouts.interventions import Simulation, ask
from rlvis.rollouts.states import FORMS, is_bare, observed, restore
from rlvis.rollouts.stepper import Running, go_on

if TYPE_CHECKING:
    from gymnasium import Env

USUAL_DISCOUNT = 0.99
_ROLLOUTS = 16
_NEGLIGIBLE = 1e-3
_T_15 = 2.131


@dataclass(frozen=True)
class TrueValues:
    """Q(s, a) of S moments and K actions, with bounds or 95% intervals.

    Attributes:
        places: int (S,), of the situations.
        values: float (S, K).
        low, high: float (S, K).
        discount: γ, by which later rewards count less.
        computed: whether they are bounds of a computation, not intervals of rollouts.
        drawn: how many states were drawn for it, or futures played.
        rollouts: float (S, K, R), the return of each future that was played; None where computed.
    """

    places: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    discount: float
    computed: bool
    drawn: int
    rollouts: np.ndarray | None = field(default=None, repr=False)

    @property
    def widths(self) -> np.ndarray:
        """Float (S, K): half of each interval."""
        return (self.high - self.low) / 2

    @property
    def half_width(self) -> float:
        """The mean of `widths`."""
        return float(np.nanmean(self.widths))

    @property
    def best(self) -> np.ndarray:
        """Int (S,): the action that is worth most."""
        return np.nanargmax(self.values, axis=1)

    @property
    def importance(self) -> np.ndarray:
        """Float (S,): how much the decision matters, the best action's Q less the worst one's."""
        return np.nanmax(self.values, axis=1) - np.nanmin(self.values, axis=1)

    def regret(self, actions: np.ndarray) -> np.ndarray:
        """Float (S,): what these actions, int (S,), give away against the best one.

        Of rollouts the best action is chosen by one half and valued by the other: the largest of
        noisy means is too large.
        """
        if self.rollouts is None:
            return _given_away(self.values, self.values, actions)
        one, other = self.rollouts[..., ::2].mean(axis=2), self.rollouts[..., 1::2].mean(axis=2)
        return (_given_away(one, other, actions) + _given_away(other, one, actions)) / 2

    def sure_mistakes(self, actions: np.ndarray) -> np.ndarray:
        """Bool (S,): where some other action than these, int (S,), is surely worth more.

        By the whole of both bounds; of rollouts by their differences, see `surely_better`.
        """
        if self.rollouts is not None:
            return surely_better(self.rollouts, actions)
        taken = self.high[np.arange(len(actions)), actions]
        return np.nanmax(self.low, axis=1) > taken


def _given_away(chosen_by: np.ndarray, valued_by: np.ndarray, actions: np.ndarray) -> np.ndarray:
    every = np.arange(len(actions))
    return valued_by[every, np.nanargmax(chosen_by, axis=1)] - valued_by[every, actions]


def discount_of(policy: Policy) -> float | None:
    """The γ that a policy says it was trained with, None where it does not."""
    training = policy.description.get("training")
    known = training.get("gamma") if isinstance(training, Mapping) else None
    known = policy.description.get("gamma") if known is None else known
    return float(known) if isinstance(known, (int, float)) else None


def true_values(
    situations: Situations,
    places: np.ndarray,
    *,
    discount: float,
    max_steps: int,
    on_progress: OnProgress,
) -> TrueValues:
    """Q of every action at some moments; NaN of one that is forbidden there.

    Args:
        situations: the moments, of a world that can be brought to them.
        places: int (S,), which of them.
        discount: γ.
        max_steps: where a future is stopped if it has not ended.
        on_progress: see `rlvis.progress`.

    Raises:
        InputError: if the world cannot be brought there, or gives a reward that is no number.
    """
    possible = np.isfinite(situations.logits[places])
    env = situations.world.environment
    try:
        simulated = situations.offers("simulation") and not situations.context and is_bare(env)
        processes = [_simulation(situations, place) for place in places] if simulated else []
    except InputError:
        simulated = False
    if simulated:
        bounds = computed_values(
            processes,
            situations.episodes[places].tolist(),
            situations.policy,
            discount=discount,
            max_steps=max_steps,
            on_progress=on_progress,
        )
        low, high = (np.where(possible, each, np.nan) for each in (bounds.low, bounds.high))
        _check_numbers(situations, low[possible])
        return TrueValues(places, (low + high) / 2, low, high, discount, True, bounds.drawn)
    check_branchable(env)
    return _played(situations, places, possible, discount, max_steps, on_progress)


def _check_numbers(situations: Situations, returns: np.ndarray) -> None:
    """Refuse rewards of which no value can be made."""
    if not np.isfinite(returns).all():
        wrong = returns[~np.isfinite(returns)][0]
        raise InputError(
            f"rewards of {situations.world.name} add up to {wrong:g}; every one must be a number"
        )


def check_branchable(env: "Env") -> None:
    """Whether going back to a state takes an environment's wrappers back, too.

    Raises:
        InputError: if one of them may count or change what it does; only a time limit is set back.
    """
    from gymnasium.wrappers import TimeLimit

    while not is_bare(env):
        if not isinstance(env, TimeLimit):
            raise InputError(
                f"{type(env).__name__} around the environment cannot be taken back to a moment"
            )
        env = env.env


def _set_back(env: "Env", steps: int) -> None:
    """Let time limits count from a step on."""
    from gymnasium.wrappers import TimeLimit

    around: Any = env
    while around is not env.unwrapped:
        if isinstance(around, TimeLimit):
            around._elapsed_steps = steps  # type: ignore[assignment]
        around = around.env


def _simulation(situations: Situations, place: int) -> Simulation:
    return ask(situations.at(int(place)), "simulation")


def _played(
    situations: Situations,
    places: np.ndarray,
    possible: np.ndarray,
    discount: float,
    max_steps: int,
    on_progress: OnProgress,
) -> TrueValues:
    """The same by rollouts of what is possible, bool (S, K); the i-th have the same chances."""
    found = np.full((*possible.shape, _ROLLOUTS), np.nan)
    steps = min(max_steps, _horizon(discount))
    for done, place in enumerate(places.tolist()):
        for action in np.flatnonzero(possible[done]).tolist():
            for rollout in range(_ROLLOUTS):
                found[done, action, rollout] = _return(
                    situations, place, action, rollout, discount, steps
                )
        _check_numbers(situations, found[done, possible[done]])
        on_progress(Progress("trying every action", done + 1, len(places), "moments"))
    middle = found.mean(axis=2)
    half = _T_15 * found.std(axis=2, ddof=1) / np.sqrt(_ROLLOUTS)
    low, high = middle - half, middle + half
    played = int(possible.sum()) * _ROLLOUTS
    return TrueValues(places, middle, low, high, discount, False, played, found)


def _horizon(discount: float) -> int:
    """After so many steps a reward counts less than a thousandth of what it would count now."""
    if discount >= 1:
        return MANY
    return 1 if discount <= _NEGLIGIBLE else ceil(log(_NEGLIGIBLE) / log(discount))


def _return(
    situations: Situations,
    place: int,
    action: int,
    rollout: int,
    discount: float,
    max_steps: int,
) -> float:
    """The discounted return of one future."""
    env, policy = situations.world, situations.policy
    number = int(situations.episodes[place])
    state = situations.states[place]
    assert state is not None
    env.reset(situations.seeds[number], number)
    told = restore(situations.form, env.environment, FORMS[situations.form].unpack(state))
    observation, info = observed(told)
    env.environment.unwrapped.np_random = np.random.default_rng((number, place, rollout))
    _set_back(env.environment, int(situations.steps[place]))
    generator = torch.Generator().manual_seed((number * 1009 + place) * 1009 + rollout)
    first = policy.distribution.first[0]  # type: ignore[attr-defined]
    memory = {name: situations.context[name][place] for name in policy.memory}
    running = Running(env, number, 0, generator, observation, info, memory, forced=[first + action])
    steps = go_on(policy, [running], max_steps=max_steps)
    return sum(step.reward * discount**step.number for step in steps)
