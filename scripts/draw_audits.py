"""The tables and the picture of docs/how-to/believe.md: the audits of the shipped policies.

    python -m scripts.draw_audits --folder out/audits

Audits that are in the folder already (as `rlvis audit --out out/audits/NAME.json` writes them) are
read, the others are made, some two minutes each. The picture is of the first policy, audited anew.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from PIL import Image

from rlvis import Audit, audit
from rlvis.evaluation.estimates import Estimate, few_ranks
from rlvis_agents import load_policy
from scripts.draw_docs import GUIDE
from scripts.train_shipped import RECIPES

POLICIES = (
    "cube-reach-choice",
    "cube-reach-choice-shortcut",
    "cube-reach",
    "cube-reach-distractors",
)
TARGET = "preferred"
_SHOWN = ("What moves the policy", "Which maps can be believed")


@dataclass(frozen=True)
class DrawAudits:
    """Print the tables, and draw the picture."""

    folder: Path = Path("out/audits")
    """Where the audits are."""
    picture: bool = False
    """Draw it."""


def main() -> None:
    """Do what the command line asks for."""
    wanted = tyro.cli(DrawAudits, description=__doc__)
    torch.set_num_threads(1)
    found = {name: _audited(wanted.folder, name) for name in POLICIES}
    _print_methods(found)
    _print_policies(found)
    if wanted.picture:
        draw(made(POLICIES[0]))


def draw(found: Audit) -> None:
    """Write the picture: what moves the policy, and which maps can be believed."""
    page = found.page()
    rows = [row for row in page.rows if row.heading in _SHOWN]
    picture = replace(page, lines=page.lines[:3], rows=rows).picture()
    picture.quantize(255, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        GUIDE / "audit.png", optimize=True
    )


def made(name: str) -> Audit:
    """The audit of a shipped policy in the world that it was trained in."""
    config = RECIPES[name].config
    return audit(load_policy(name), config.env, env_options=config.env_options)


def _audited(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.json"
    if not path.exists():
        made(name).save(path)
    return json.loads(path.read_text())


def _print_methods(found: dict[str, dict[str, Any]]) -> None:
    """Agreement, and AUC, of every method and policy."""
    first = found[POLICIES[0]]
    methods = [name for name, each in first["methods"].items() if TARGET in each["targets"]]
    methods.sort(key=lambda name: -(_number(first, name, "causal") or -1))
    print("| method | " + " | ".join(f"`{name}`" for name in POLICIES) + " | AUC in the first |")
    print("|---|" + "---:|" * (len(POLICIES) + 1))
    for name in methods:
        cells = [_agreement(each, name) for each in found.values()]
        shown = f"({name})" if first["methods"][name]["baseline"] else f"`{name}`"
        print(f"| {shown} | {' | '.join(cells)} | {_number(first, name, 'auc') or 0:.2f} |")


def _agreement(plain: dict[str, Any], method: str) -> str:
    scores = plain["methods"].get(method, {}).get("targets", {}).get(TARGET)
    return "–" if scores is None else Estimate.of(scores["causal"]).written()


def _number(plain: dict[str, Any], method: str, score: str) -> float | None:
    return plain["methods"][method]["targets"][TARGET][score]["value"]


def _print_policies(found: dict[str, dict[str, Any]]) -> None:
    """What moves each policy, what it goes by, its decisions; and what localisation tells."""
    print()
    for name, plain in found.items():
        moved = next(iter(plain["effects"].items()))
        kl, flips = Estimate.of(moved[1]["kl"]), Estimate.of(moved[1]["flips"])
        print(f"{name}: most by {moved[0]}, KL {kl.written()}, {flips.written(share=True)} turn")
        for factor, cue in plain["cues"].items():
            lost = Estimate.of(cue["lost"])
            if lost.count:
                print(f"  {factor}: {cue['verdict']}; lost {lost.written(share=True)}")
        told = plain["decisions"]
        for score in ("regret", "mistakes", "critic_bias", "importance_correlation"):
            print(f"  {score} {Estimate.of(told[score]).written(3)}", end=";")
        print(f" ± {told['half_width']:.4f}; {plain['seconds']:.0f} CPU seconds")
        pairs = [
            (_number(plain, method, "causal"), _number(plain, method, "auc"))
            for method, each in plain["methods"].items()
            if not each["baseline"] and TARGET in each["targets"]
        ]
        known = np.array([pair for pair in pairs if None not in pair], float)
        correlation = np.corrcoef(few_ranks(known.T))[0, 1]
        print(
            f"  rank correlation of AUC and agreement over {len(known)} methods {correlation:.2f}"
        )


if __name__ == "__main__":
    main()
