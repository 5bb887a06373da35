"""What each recorded decision gave away: the true values of every action, step by step."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from rlvis.errors import InputError
from rlvis.evaluation.action_values import USUAL_DISCOUNT, discount_of, true_values
from rlvis.evaluation.situations import Situations
from rlvis.models.policy import Policy
from rlvis.progress import OnProgress, Progress, reporter
from rlvis.rollouts.branches import open_recorded
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.episode import taken_of
from rlvis.rollouts.recording import Recording
from rlvis.rollouts.states import FORMS


def recorded_regrets(
    recording: Recording,
    policy: Policy | None = None,
    episodes: Sequence[int] | None = None,
    *,
    discount: float | None = None,
    max_steps: int = 1000,
    on_progress: OnProgress | None = None,
) -> dict[int, np.ndarray]:
    """The regret of every recorded step: the best action's Q less that of the one taken.

    Args:
        recording: with the states of its environment.
        policy: that was recorded, where it is no longer where it was loaded from.
        episodes: their numbers; all that are whole when left out.
        discount: γ; left out, that of the policy's training, else 0.99.
        max_steps: where a future is stopped if it has not ended.
        on_progress: see `rlvis.progress`.

    Returns:
        Float64 (T,) for each episode, by its number.

    Raises:
        InputError: if the recording has no states, the world draws something else in them than was
            seen, or no one of several actions is taken.
    """
    if not recording.header.states:
        why = recording.header.no_states or "it was made without"
        raise InputError(
            f"regret needs the states of the environment, and {recording.title} has none: {why}"
        )
    policy = recording.policy(policy)
    report = reporter(on_progress)
    gamma = discount if discount is not None else discount_of(policy)
    numbers = recording.readable() if episodes is None else list(episodes)
    found = {}
    with ExitStack() as opened:
        env = open_recorded(recording, opened)
        for done, number in enumerate(numbers):
            situations = _situations(recording, policy, env, number)
            values = true_values(
                situations,
                np.arange(len(situations)),
                discount=USUAL_DISCOUNT if gamma is None else gamma,
                max_steps=max_steps,
                on_progress=lambda _: None,
            )
            found[number] = values.regret(situations.taken)
            report(Progress("trying every action", done + 1, len(numbers), "episodes"))
    return found


def _situations(recording: Recording, policy: Policy, env: CheckedEnv, number: int) -> Situations:
    """All moments of a recorded episode."""
    episode = recording.episode(number)
    states, form = recording.states(number), recording.header.states
    taken = taken_of(episode.distribution, episode.actions)
    if taken is None or len(policy.distribution.choices) != 1:
        raise InputError(
            f"regret is of one of several actions; {policy.name} has {policy.distribution}"
        )
    assert states is not None
    env.reset(episode.seed, number)
    packed = [FORMS[form].pack(state) for state in states]
    context: Mapping[str, np.ndarray] = episode.context
    found = Situations(
        policy,
        episode.observations,
        context,
        np.asarray(episode.logits, float),
        np.asarray(episode.values, float),
        np.full(len(episode), number),
        env,
        np.asarray(taken, int),
        np.arange(len(episode)),
        packed,
        {number: packed[0]},
        {number: episode.seed},
        {},
        {},
        form,
        "",
    ).as_it_can_be_shown()
    if not found.form:
        raise InputError(
            f"regret needs the world as it was: {found.no_states} ({recording.header.environment})"
        )
    return found
