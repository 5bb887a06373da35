"""Whether the audit is right: against chance, and against shortcuts that PPO was led into.

    python -m scripts.audit_the_audit nulls
    python -m scripts.audit_the_audit planted --folder out/planted

`nulls` scores random maps of a shipped policy's frames, 100 draws for every target, and counts how
often each score's interval covers what chance gives.

`planted` trains policies by PPO, half of them where a cue always agrees with a small marker, half
where there is none or it tells nothing, and audits each in a world with the cue. Whether a policy
took the cue is not assumed: it is played in 500 held-out episodes where the cue agrees and where it
never does. A policy took it if the success differs by more than the audit's own least share, by the
whole 95% interval, and did not if the whole interval lies below; the others are told apart and
counted neither way. Policies are kept in the folder, and what is there is not trained again.
"""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from rlvis import AuditPlan, Policy, audit
from rlvis.evaluation.map_scores import MapScorer
from rlvis.evaluation.parts import audited_targets, parts_of
from rlvis.evaluation.shortcuts import LEAST
from rlvis_agents import evaluate, load_policy, train
from scripts.train_shipped import CHOICE, EPISODES, FIRST_SEED

NULL_SCORES = ("causal", "largest_first", "single_deletion")
FACTORS = {
    "floor": ("floor",),
    "ceiling": ("ceiling",),
    "light": ("light",),
    "object": ("green cube place",),
    "shade": ("left cube colour", "right cube colour"),
}
"""The factors of the world that each planted cue is made of."""
PLAN = AuditPlan(frames=60, methods=("cam",), decisions=0, episodes=200, quick=True)
SMALL = {
    "room_size": 6.0,
    "forward_step": 0.4,
    "turn_step": 20.0,
    "obs_height": 30,
    "obs_width": 40,
}
"""A world with shorter ways and smaller images, in which forty policies are trained in an hour."""
_Z = 1.96


@dataclass(frozen=True)
class Case:
    """A policy to be trained and audited.

    Attributes:
        cue: of the world in which it is audited.
        trained: options of the world in which it is trained.
        marker_scale: in both.
        seed: of the training.
    """

    cue: str
    trained: tuple[tuple[str, Any], ...]
    marker_scale: float
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        how = "-".join(f"{value}" for _, value in self.trained) or "clean"
        return f"{self.cue}-{how}-{self.marker_scale:g}-{self.seed}"


def cases(count: int) -> list[Case]:
    """So many that are tempted, and as many that are not, of every kind in turn."""
    tempted = [
        Case(cue, (("cue", cue),), 0.5, seed)
        for seed in range(count)
        for cue in ("floor", "ceiling", "object", "shade", "light")
    ]
    left_alone = [
        case
        for seed in range(count)
        for case in (
            Case(("floor", "light", "object", "ceiling")[seed % 4], (), 1.0, seed),
            Case("floor", (("cue", "floor"), ("cue_agreement", 0.5)), 1.0, seed),
            Case("light", (("cue", "light"),), 1.0, seed),
            Case("object", (("cue", "object"), ("cue_agreement", 0.5)), 1.0, seed),
        )
    ]
    return tempted[:count] + left_alone[:count]


@dataclass(frozen=True)
class Nulls:
    """Score random maps."""

    draws: int = 100
    """How many for each target."""
    frames: int = 120
    """Of the policy."""


@dataclass(frozen=True)
class Planted:
    """Train policies with and without shortcuts, and audit them."""

    folder: Path = Path("out/planted")
    """Where they are kept."""
    count: int = 20
    """How many of each half."""
    steps: int = 60_000
    """Of the training of each; twice as many where the cue is the light, which is hard to see."""
    processes: int = 2
    """At once."""


def main() -> None:
    """Do what the command line asks for."""
    jobs = Annotated[Nulls, tyro.conf.subcommand("nulls")]
    others = Annotated[Planted, tyro.conf.subcommand("planted")]
    wanted = tyro.cli(jobs | others, description=__doc__)
    if isinstance(wanted, Nulls):
        nulls(wanted)
    else:
        planted(wanted)


def nulls(wanted: Nulls) -> None:
    """Print how often the intervals of random maps cover chance."""
    from rlvis.evaluation.account import Account
    from rlvis.evaluation.changes import ask_all
    from rlvis.evaluation.situations import collect
    from rlvis.rollouts.recorder import opened_environments

    policy = load_policy("cube-reach-choice")
    with opened_environments(CHOICE.env, (), {}, False, 8) as envs:
        situations = collect(policy, envs, wanted.frames)
        changed = ask_all(situations, Account(), quick=True, on_progress=lambda _: None)
        targets = audited_targets(policy, True)
        parts = parts_of(changed, list(targets.values()), ())
    scorer, lot = MapScorer(parts), np.random.default_rng(0)
    print(f"| target, {wanted.draws} random maps | " + " | ".join(NULL_SCORES) + " |")
    print("|---|" + "---:|" * len(NULL_SCORES))
    for place, name in enumerate(targets):
        held = dict.fromkeys(NULL_SCORES, 0)
        for _ in range(wanted.draws):
            maps = lot.random(parts.images.shape[:3], dtype=np.float32)
            scores = scorer.score(maps, place)
            for score in NULL_SCORES:
                found = getattr(scores, score)
                held[score] += bool(found.low <= scores.null(score) <= found.high)
        cells = " | ".join(f"{each / wanted.draws:.0%}" for each in held.values())
        print(f"| {name} | {cells} |", flush=True)


def planted(wanted: Planted) -> None:
    """Train, play, audit; print a row for each policy and the score of the audit."""
    start = time.perf_counter()
    chosen = cases(wanted.count)
    print("| policy | cue agrees | never agrees | took it | accused of | most lost |")
    print("|---|---:|---:|---|---|---:|")
    rows = []
    with ProcessPoolExecutor(wanted.processes, get_context("spawn")) as pool:
        for row in pool.map(_judged, chosen, [wanted] * len(chosen)):
            rows.append(row)
            print(
                f"| {row['name']} | {row['agrees']:.1%} | {row['never']:.1%} | {row['took']} | "
                f"{', '.join(row['accused']) or '–'} | {row['lost']} |",
                flush=True,
            )
    took = [row for row in rows if row["took"] == "yes"]
    clean = [row for row in rows if row["took"] == "no"]
    found = sum(bool(set(row["accused"]) & set(FACTORS[row["cue"]])) for row in took)
    wrong = sum(bool(row["accused"]) for row in clean)
    wrong += sum(bool(set(row["accused"]) - set(FACTORS[row["cue"]])) for row in took)
    print(f"\nfound {found} of {len(took)} shortcuts; {wrong} false accusations; ", end="")
    print(
        f"{len(clean)} policies without, {len(rows) - len(took) - len(clean)} undecided; ", end=""
    )
    print(f"{(time.perf_counter() - start) / 60:.0f} minutes")


def _judged(case: Case, wanted: Planted) -> dict[str, Any]:
    """What a policy does under conflict, and what the audit says of it."""
    torch.set_num_threads(1)
    kept = wanted.folder / f"{case.name}-{wanted.steps}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    policy = _trained(case, wanted)
    world: dict[str, Any] = {"cue": case.cue, "marker_scale": case.marker_scale, **SMALL}
    agrees, never = (
        float(
            evaluate(
                policy, CHOICE.env, EPISODES, seed=FIRST_SEED, **world, cue_agreement=share
            ).success_rate
            or 0
        )
        for share in (1.0, 0.0)
    )
    found = audit(policy, CHOICE.env, plan=PLAN, env_options=world, seed=FIRST_SEED + EPISODES)
    of_cue = [each for each in found.cues if each.factor in FACTORS[case.cue]]
    most = max(of_cue, key=lambda each: each.lost.value, default=None)
    row = {
        "name": case.name,
        "cue": case.cue,
        "agrees": agrees,
        "never": never,
        "took": _took(agrees, never),
        "accused": [each.factor for each in found.shortcuts],
        "lost": most.lost.written(share=True) if most else "–",
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(row))
    return row


def _trained(case: Case, wanted: Planted) -> Policy:
    folder = wanted.folder / f"{case.name}-{wanted.steps}"
    config = replace(
        CHOICE,
        env_options={"marker_scale": case.marker_scale, **dict(case.trained), **SMALL},
        seed=case.seed,
        steps=wanted.steps * (2 if dict(case.trained).get("cue") == "light" else 1),
        out=folder,
        evaluation_episodes=0,
        tensorboard=False,
        progress=False,
    )
    return train(config)


def _took(agrees: float, never: float) -> str:
    """Whether success hangs on the cue, by the 95% interval of the difference."""
    spread = _Z * sqrt((agrees * (1 - agrees) + never * (1 - never)) / EPISODES)
    lost = agrees - never
    if lost - spread > LEAST:
        return "yes"
    return "no" if lost + spread < LEAST else "undecided"


if __name__ == "__main__":
    main()
