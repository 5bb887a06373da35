"""Shortcuts: what a policy goes by although, by the world's own account, it should not.

A factor of the world that differs between episodes, such as the floor, is put to what it is in
another episode, while everything else stays: if it only happened to agree with what matters, the
two now contradict each other. The policy is played from the same starts with the same random
numbers, and what it loses against its play in the world as it was is how much of its success hangs
on the factor. A factor that means nothing costs nothing, however much it moves π now and then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import torch

from rlvis.errors import InputError
from rlvis.evaluation.account import Account
from rlvis.evaluation.changes import SWAPPED, shown_image, unnumbered
from rlvis.evaluation.effects import Effect
from rlvis.evaluation.estimates import NOTHING, Estimate, mean, share
from rlvis.evaluation.situations import Situations
from rlvis.progress import OnProgress, Progress
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.intervals import share_interval
from rlvis.rollouts.interventions import ask
from rlvis.rollouts.states import FORMS, observed, restore
from rlvis.rollouts.stepper import Running, go_on

LEAST = 0.05
"""A factor is a shortcut if more of the success than this hangs on it, by the whole interval."""
OFTEN = 0.1
"""A factor moves decisions if it turns more of them than this, by the whole interval."""
_FEW_VALUES, _LOOSE, _MUCH = 4, 0.5, 0.25


@dataclass(frozen=True)
class Cue:
    """A factor of the world, and what a policy makes of it.

    Attributes:
        factor: its name.
        matters: whether what is right to do depends on it, by the world's own account.
        effect: what it does to π, in single moments; None where it is never seen to change.
        before, after: the share of episodes that ended well, or the mean return where nobody says,
            in the world as it was and with the factor as in another episode.
        lost: the difference, of the same episodes; of returns as a share of their mean size before.
        of_success: whether it is one of successes, not of returns.
        refused: how many episodes could not be changed.
        why: the first time.
    """

    factor: str
    matters: bool
    effect: Effect | None
    before: Estimate = NOTHING
    after: Estimate = NOTHING
    lost: Estimate = NOTHING
    of_success: bool = True
    refused: int = 0
    why: str = ""

    @property
    def measure(self) -> str:
        """What was compared: "success" or "return"."""
        return "success" if self.of_success else "return"

    @property
    def is_shortcut(self) -> bool:
        """Whether success hangs on it although it should not."""
        return not self.matters and self.lost.above(LEAST)

    @property
    def distracts(self) -> bool:
        """Whether it turns decisions although it should not, and surely no success hangs on it."""
        turns = self.effect is not None and self.effect.flips.above(OFTEN)
        judged = self.is_tested and not self.is_shortcut and not self.misleads
        return turns and not self.matters and judged

    @property
    def misleads(self) -> bool:
        """Whether the policy does better where it is otherwise, although it should not matter."""
        return not self.matters and self.lost.below(-LEAST)

    @property
    def is_vague(self) -> bool:
        """Whether there are too few episodes to say."""
        wide = not self.lost.sure or self.lost.high - self.lost.low > _LOOSE
        told = self.is_shortcut or self.misleads
        return bool(self.lost.count) and wide and not told

    @property
    def is_tested(self) -> bool:
        """Whether it was played, in enough episodes to say."""
        return self.lost.sure and not self.is_vague

    @property
    def verdict(self) -> str:
        """In words."""
        what = f"the {self.measure}"
        if not self.lost.count:
            if self.after.count:
                return f"nothing to lose: every {self.measure} was 0 before"
            return "could not be played" if self.refused else "not played"
        if self.is_shortcut:
            return f"a shortcut: {self._much} hangs on it"
        if self.misleads:
            return f"it misleads: {-self.lost.value:.0%} more of {what} where it is otherwise"
        if self.is_vague:
            return "too few episodes to say"
        if self.matters:
            hangs = f"{self._much} hangs on it, as it should"
            return hangs if self.lost.above(0) else f"it matters, and {what} does not hang on it"
        if self.distracts and self.effect is not None:
            turned = f"{self.effect.flips.value:.0%} of the decisions turn with it"
            return f"it should not matter: {turned}, though {what} does not hang on it"
        if self.lost.high > _MUCH:
            return f"not shown to be a shortcut: at most {self.lost.high:.0%} hangs on it"
        return f"no shortcut: {what} does not hang on it"

    @property
    def _much(self) -> str:
        return f"{self.lost.value:.0%} of the {self.measure}"

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "matters": self.matters,
            "shortcut": self.is_shortcut,
            "misleads": self.misleads,
            "verdict": self.verdict,
            "effect": self.effect.plain() if self.effect else None,
            "before": self.before.plain(),
            "after": self.after.plain(),
            "lost": self.lost.plain(),
            "measure": self.measure,
            "refused": self.refused,
            "why": self.why,
        }


def cues_of(
    situations: Situations,
    account: Account,
    effects: Sequence[Effect],
    envs: Sequence[CheckedEnv],
    *,
    episodes: int,
    max_steps: int,
    on_progress: OnProgress,
) -> list[Cue]:
    """Every factor that varies in this world, those that cost most first.

    Args:
        situations: of a world that answers `factors`, `varied`, `matters` and `change`.
        account: that it gives, which says what matters.
        effects: of the changes in single moments.
        envs: to play in.
        episodes: how many are played again for each factor, at most.
        max_steps: where an episode is stopped if it has not ended.
        on_progress: see `rlvis.progress`.
    """
    assert account.matters is not None
    known = {each.subject: each for each in effects if each.kind == SWAPPED}
    found = []
    for done, factor in enumerate(account.values):
        matters = factor in account.matters
        cue = Cue(factor, matters, known.get(unnumbered(factor)))
        if not matters or len(account.distinct[factor]) <= _FEW_VALUES:
            cue = _played(situations, account, cue, envs, episodes, max_steps)
        found.append(cue)
        on_progress(Progress("looking for shortcuts", done + 1, len(account.values), "factors"))
    return sorted(found, key=lambda each: -np.nan_to_num(each.lost.value))


def untested(cues: Sequence[Cue]) -> str:
    """Why nobody can say whether there is a shortcut; empty where a factor was tested.

    Those that should not matter count, and where there are none the others.
    """
    suspects = [each for each in cues if not each.matters] or cues
    if any(each.is_tested for each in suspects):
        return ""
    if not cues:
        return "nothing that differs between episodes was played as it is in another one"
    names = ", ".join(each.factor for each in suspects)
    if all(each.matters for each in cues):
        return f"all that differs between episodes should matter ({names})"
    return f"{names}: {'; '.join(dict.fromkeys(each.verdict for each in suspects))}"


def _played(
    situations: Situations,
    account: Account,
    cue: Cue,
    envs: Sequence[CheckedEnv],
    episodes: int,
    max_steps: int,
) -> Cue:
    """A factor with what became of episodes in which it was as in another one."""
    ended: dict[int, tuple[bool | None, float]] = {}
    waiting = iter(list(account.values[cue.factor])[:episodes])
    refused: list[InputError] = []

    def following(env: CheckedEnv) -> Running | None:
        for number in waiting:
            try:
                return _begin(situations, account, env, cue.factor, number)
            except InputError as error:
                refused.append(error)
        return None

    running = [begun for env in envs if (begun := following(env)) is not None]
    for step in go_on(situations.policy, running, max_steps=max_steps, following=following):
        if step.outcome is not None:
            ended[step.episode] = step.outcome.success, step.outcome.total
    why = str(refused[0]) if refused else ""
    return _compared(situations, replace(cue, refused=len(refused), why=why), ended)


def _begin(
    situations: Situations,
    account: Account,
    env: CheckedEnv,
    factor: str,
    number: int,
) -> Running:
    """An episode from its start with a factor as in another one.

    Raises:
        InputError: if no value will do.
    """
    state = situations.starts[number]
    assert state is not None
    others = account.others(factor, number)
    lot = np.random.default_rng((situations.seeds[number], crc32(factor.encode())))
    refused = InputError(f"it has no value of {factor} to be put to")
    for choice in lot.permutation(len(others))[:_FEW_VALUES].tolist():
        env.reset(situations.seeds[number], number)
        restore(situations.form, env.environment, FORMS[situations.form].unpack(state))
        try:
            told = ask(env.environment, "change", "varied", factor, others[choice])
            observation, info = observed(told, "change()")
            shown_image(situations, "change()", observation)
        except InputError as error:
            refused = error
            continue
        seed = situations.seeds[number]
        return Running(env, number, seed, torch.Generator().manual_seed(seed), observation, info)
    raise refused


def _compared(
    situations: Situations,
    cue: Cue,
    ended: Mapping[int, tuple[bool | None, float]],
) -> Cue:
    of_success = all(
        number in situations.successes and success is not None
        for number, (success, _) in ended.items()
    )
    numbers = np.array(sorted(ended))
    before = np.array(
        [
            float(situations.successes[n]) if of_success else situations.returns[n]
            for n in sorted(ended)
        ]
    )
    after = np.array(
        [float(bool(ended[n][0])) if of_success else ended[n][1] for n in sorted(ended)]
    )
    averaged = share if of_success else mean
    scale = 1.0 if of_success else float(np.abs(before).mean()) if len(before) else 0.0
    lost = _difference((before - after) / scale, numbers, of_success) if scale else NOTHING
    return replace(
        cue,
        before=averaged(before, numbers),
        after=averaged(after, numbers),
        lost=lost,
        of_success=of_success,
    )


def _difference(lost: np.ndarray, numbers: np.ndarray, of_success: bool) -> Estimate:
    """The mean of differences; where none differs, as many episodes may hide as Wilson says."""
    found = mean(lost, numbers, (-1.0, 1.0) if of_success else (-np.inf, np.inf))
    if of_success and found.sure and found.low == found.high:
        spread = share_interval(0, found.groups)[1]
        low, high = max(-1.0, found.value - spread), min(1.0, found.value + spread)
        return Estimate(found.value, low, high, found.count, found.groups)
    return found
