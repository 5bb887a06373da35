"""`audit`: a policy and its world in; what moves it and which maps can be believed, out.

play      episodes, some moments of each
change    everything in the world at each moment, one thing at a time
explain   each moment by every method, and hold the maps against what really happens
try       every action of some moments
swap      what differs between episodes, and play again
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.errors import InputError
from rlvis.evaluation.account import Account
from rlvis.evaluation.action_values import USUAL_DISCOUNT, discount_of, true_values
from rlvis.evaluation.audit_result import Audit
from rlvis.evaluation.changes import (
    DRAWN_BY,
    Changed,
    Without,
    ask_all,
    check_without,
)
from rlvis.evaluation.counterfactuals import shown, smallest, turned_by
from rlvis.evaluation.decisions import Decisions, weighed
from rlvis.evaluation.effects import Effect, measured
from rlvis.evaluation.estimates import share
from rlvis.evaluation.findings import Moved
from rlvis.evaluation.maps import MapAudit, MethodScores
from rlvis.evaluation.method_pool import check_processes, processor_seconds
from rlvis.evaluation.missing_parts import unheld
from rlvis.evaluation.parts import Parts, parts_of, possible_targets
from rlvis.evaluation.plan import AuditPlan
from rlvis.evaluation.scored_methods import ScoredMethods, digest_of, refusals
from rlvis.evaluation.shortcuts import Cue, cues_of
from rlvis.evaluation.situations import Situations, collect, spread
from rlvis.evaluation.verdicts import verdict
from rlvis.evaluation.windows import scan_windows, window_parts
from rlvis.images.frames import picture_of
from rlvis.models.policy import Policy, require_policy
from rlvis.models.targets import Target
from rlvis.options import MANY, MOST_SEED, check_whole
from rlvis.progress import OnProgress, reporter
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import at_home, check_compatible
from rlvis.rollouts.interventions import offered
from rlvis.rollouts.recorded_policy import fingerprint
from rlvis.rollouts.recorder import opened_environments

if TYPE_CHECKING:
    from gymnasium import Env

_AT_ONCE = 8


def audit(
    policy: Policy,
    environment: "str | Env",
    *,
    plan: AuditPlan | None = None,
    seed: int = 0,
    max_steps: int = 1000,
    discount: float | None = None,
    wrappers: Sequence[str] = (),
    env_options: Mapping[str, Any] | None = None,
    without: Mapping[str, Without] | None = None,
    keep: str | Path | None = None,
    resume: bool = False,
    processes: int = 1,
    on_progress: OnProgress | None = None,
) -> Audit:
    """Find out what moves a policy, which maps of it can be believed, and what it goes by.

    What the world does not offer is left out, and `Audit.left_out` says what it would take; see
    `rlvis.rollouts.interventions` for what it may offer. A policy is asked with sampled actions.

    Args:
        policy: of one choice of several actions.
        environment: a Gymnasium id, "module:Id-v0", or an environment, which stays open.
        plan: how thorough; 300 moments and every method when left out, `QUICK` for a first look.
        seed: of the first episode, and of everything drawn by lot.
        max_steps: where an episode is stopped if it has not ended.
        discount: γ of the true values; left out, that of the policy's training, else 0.99.
        wrappers: put around the environment, the innermost first.
        env_options: passed to the environment's constructor.
        without: objects that the world tells nothing of: for each a function that makes of an
            image, uint8 (H, W, C), the image without it. It works in every environment.
        keep: a file (.json) in which the methods that are done are kept.
        resume: go on from that file.
        processes: how many methods are scored at once, each in a process of its own; a script that
            asks for several must be importable (`if __name__ == "__main__":`).
        on_progress: see `rlvis.progress`; it may raise KeyboardInterrupt to stop there.

    Raises:
        InputError: if the policy does not fit the environment, has no choice of one of several
            actions, or `without` has something else than functions by names.
        Stopped: if it was stopped; `keep` then holds what there was.
    """
    require_policy(policy)
    check_whole("seed", seed, 0, MOST_SEED)
    check_whole("max_steps", max_steps, 1, MANY)
    check_processes(processes, policy)
    check_without(without)
    if len(policy.labels) < 2:
        raise InputError(f"an audit needs several actions to choose from; {policy.name} has one")
    plan, report, start = plan or AuditPlan(), reporter(on_progress), processor_seconds()
    check_discount(discount)
    gamma = discount if discount is not None else discount_of(policy)
    with opened_environments(environment, wrappers, env_options or {}, False, _AT_ONCE) as envs:
        check_compatible(policy, envs[0].environment, envs[0].name)
        policy = at_home(policy, envs[0].environment)
        asked = _Asked.of(policy, envs, plan, seed, max_steps, report, without or {})
        options = [f"{name}={value}" for name, value in (env_options or {}).items()]
        asked.name = ", ".join([envs[0].name, *options])
        scored = ScoredMethods(
            {"policy": policy.name, "quick": plan.quick, "maps": digest_of(asked.parts)},
            keep,
            resume,
        )
        with scored.kept():
            methods = asked.methods(plan, scored, processes, report)
            decisions = asked.decisions(
                plan, USUAL_DISCOUNT if gamma is None else gamma, max_steps, report
            )
            cues, constant = asked.cues(envs, plan, max_steps, report)
            found = asked.result(methods, decisions, cues, constant, report)
    scored.remove()
    return found.timed(processor_seconds() - start)


@dataclass
class _Asked:
    """What has been asked so far, of which everything else is made."""

    situations: Situations
    account: Account
    name: str
    changed: Changed | None
    effects: Sequence[Effect]
    parts: Parts
    targets: Mapping[str, Target]
    left_out: list[str] = field(default_factory=list)
    example: int = 0

    @classmethod
    def of(
        cls,
        policy: Policy,
        envs: Sequence[CheckedEnv],
        plan: AuditPlan,
        seed: int,
        max_steps: int,
        report: OnProgress,
        without: Mapping[str, Without],
    ) -> "_Asked":
        situations = collect(
            policy,
            envs,
            plan.frames,
            episodes=plan.episodes,
            seed=seed,
            max_steps=max_steps,
            on_progress=report,
        )
        changed, left_out, account = None, list[str](), Account.of(situations)
        left_out += account.refused.told(len(situations.starts), "episodes")
        if situations.form or without:
            changed = ask_all(
                situations, account, quick=plan.quick, on_progress=report, given=without
            )
            left_out += changed.refused.told(len(situations), "moments")
        if changed is not None and not len(changed.places):
            left_out.append(
                "interventions: none that could be drawn shows anything else in any of the moments"
                if without or any(situations.offers(method) for method in DRAWN_BY)
                else "interventions: the world offers none; see Interventions in docs/world.md"
            )
        if not situations.form:
            left_out.append(
                f"interventions and true values: {situations.no_states}; they need get_state() and "
                "set_state(state) -> (observation, info) on env.unwrapped, and that the policy "
                "sees what the world draws"
            )
        possible, impossible = possible_targets(situations, _has_value(situations))
        left_out += impossible
        targets = list(possible.values())
        parts = None
        if changed is not None and changed.masks:
            parts = parts_of(changed, targets, account.matters)
        left_out += unheld(situations, changed, parts, without)
        changed = changed if changed is not None and len(changed.places) else None
        return cls(
            situations,
            account,
            envs[0].name,
            changed,
            measured(changed) if changed is not None else [],
            parts if parts is not None else window_parts(situations, targets),
            possible,
            left_out,
        )

    def methods(
        self, plan: AuditPlan, scored: ScoredMethods, processes: int, report: OnProgress
    ) -> list[MethodScores]:
        """Baselines and methods, scored."""
        situations = self.situations
        work = MapAudit(situations, self.parts, list(self.targets), thorough=not plan.quick)
        found = [*work.baselines(), *scored.of(plan.named, work, processes, report)]
        self.left_out += refusals(found)
        self.example = work.example
        return [each for each in found if each.targets]

    def decisions(
        self, plan: AuditPlan, discount: float, max_steps: int, report: OnProgress
    ) -> Decisions | None:
        """What the actions of some moments are worth; None where the world cannot be branched."""
        situations = self.situations
        if not situations.form or not plan.decisions:
            return None
        places = spread(np.arange(len(situations)), plan.decisions)
        try:
            true = true_values(
                situations,
                places,
                discount=discount,
                max_steps=max_steps,
                on_progress=report,
            )
        except InputError as error:
            self.left_out.append(f"true values: {error}")
            return None
        return weighed(situations, true)

    def cues(
        self, envs: Sequence[CheckedEnv], plan: AuditPlan, max_steps: int, report: OnProgress
    ) -> tuple[list[Cue], list[str]]:
        """What the policy goes by, and the factors of which nothing can be said."""
        situations = self.situations
        if why := self._no_cues(plan):
            self.left_out.append(f"shortcuts by name: {why}")
            return [], list(self.account.constant)
        found = cues_of(
            situations,
            self.account,
            self.effects,
            envs,
            episodes=plan.episodes,
            max_steps=max_steps,
            on_progress=report,
        )
        for each in found:
            if each.refused:
                count = each.refused + each.after.count
                self.left_out.append(
                    f"{each.factor} in episodes played again, in {each.refused} of {count}: "
                    f"{each.why}"
                )
        return found, list(self.account.constant)

    def _no_cues(self, plan: AuditPlan) -> str:
        """Why it cannot be looked for shortcuts, empty where it can."""
        situations = self.situations
        if not {"factors", "varied", "matters", "change"} <= set(
            offered(situations.world.environment)
        ):
            return (
                "the world would need factors(), varied(factor, value), matters() and change(...)"
            )
        if not situations.form:
            return "the world cannot be set to a moment"
        if self.account.matters is None:
            return "what matters is not known, so nothing is called a shortcut"
        return "" if plan.episodes else "with episodes=0 none is played again"

    def result(
        self,
        methods: Sequence[MethodScores],
        decisions: Decisions | None,
        cues: Sequence[Cue],
        constant: Sequence[str],
        report: OnProgress,
    ) -> Audit:
        """All of it together."""
        situations, changed = self.situations, self.changed
        targets = list(self.targets)
        turned = smallest(changed) if changed is not None else {}
        importance = np.ptp(np.nan_to_num(situations.logits, neginf=0.0), axis=1)
        if decisions is not None:
            importance = np.full(len(situations), -1.0)
            importance[decisions.true.places] = decisions.true.importance
        examples, moved = [], []
        if changed is not None:
            for each in shown(turned, importance):
                before, after = situations.images[each.place], changed.picture(each.index)
                examples.append((each, self._picture(before), self._picture(after)))
            moved = [Moved(each, *self._before_and_after(each.strongest)) for each in self.effects]
        numbers = np.array(sorted(situations.successes), int)
        hits = np.array([situations.successes[number] for number in numbers], bool)
        blind = [each for each in methods if each.baseline]
        return Audit(
            situations.policy.name,
            self.name,
            situations.policy.labels,
            len(situations),
            len(situations.seeds),
            share(hits, numbers),
            moved,
            targets,
            methods,
            {
                each.method: verdict(each, targets[0], blind)
                for each in methods
                if not each.baseline
            },
            self._picture(situations.images[self.example]),
            decisions,
            examples,
            turned_by(turned, situations.episodes),
            cues,
            list(constant),
            scan_windows(situations, on_progress=report),
            self._picture(situations.images.mean(axis=0).round().astype(np.uint8)),
            self.left_out,
            fingerprint=fingerprint(situations.policy),
            parts=self.parts.told,
        )

    def _before_and_after(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        assert self.changed is not None
        before = self.situations.images[int(self.changed.places[index])]
        return self._picture(before), self._picture(self.changed.picture(index))

    def _picture(self, image: np.ndarray) -> np.ndarray:
        """An image to be shown, uint8 (H, W, 3): the latest of stacked frames."""
        return picture_of(image, self.situations.policy.frames or 1)


def check_discount(discount: float | None) -> None:
    """Whether it is a γ.

    Raises:
        InputError: if it is no number from 0 to 1.
    """
    if discount is not None and not (
        isinstance(discount, (int, float)) and isfinite(discount) and 0 <= discount <= 1
    ):
        raise InputError(f"a discount is a number from 0 to 1, not {discount!r}")


def _has_value(situations: Situations) -> bool:
    return not np.isnan(situations.values).any()
