"""Train and evaluate the policies that come with the package.

    python scripts/train_shipped.py                        all of them
    python scripts/train_shipped.py --only cube-reach
    python scripts/train_shipped.py --evaluate-only        the figures on their cards, anew

A card says how its policy was trained and what it did in 500 episodes that training did not see,
once with sampled actions and once greedily. The policy with a shortcut is evaluated in two worlds:
where its cue agrees with the marker, as in training, and where it never does.
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tyro

from rlvis_agents import TrainConfig, evaluate, load_policy, train
from rlvis_agents.checkpoints import read_policy, save_policy
from rlvis_agents.evaluation import HELD_OUT
from rlvis_agents.loading import SHIPPED

FIRST_SEED = HELD_OUT + 1_000_000
EPISODES = 500


@dataclass(frozen=True)
class Recipe:
    """How a policy is made and looked at.

    Attributes:
        config: of its training.
        note: what its card says about it.
        evaluated_with: options of the environment for each of its evaluations.
    """

    config: TrainConfig
    note: str | None = None
    evaluated_with: tuple[dict[str, Any], ...] = field(default=({},))


BASE = TrainConfig(steps=120_000, evaluate_every=20_000)
CHOICE = replace(BASE, env="rlvis_envs:CubeReachChoice-v0", steps=160_000)
TEMPTING = {"cue": "floor", "marker_scale": 0.5}
RECIPES = {
    "cube-reach": Recipe(BASE),
    "cube-reach-distractors": Recipe(
        replace(BASE, env="rlvis_envs:CubeReachDistractors-v0", steps=200_000)
    ),
    "cube-reach-choice": Recipe(CHOICE),
    "cube-reach-choice-shortcut": Recipe(
        replace(CHOICE, env_options=TEMPTING),
        note="Took a shortcut: in training the floor always agreed with a small marker, and it "
        "goes by the floor. Compare the evaluations with cue_agreement 1 and 0.",
        evaluated_with=tuple({**TEMPTING, "cue_agreement": share} for share in (1.0, 0.0)),
    ),
}


@dataclass(frozen=True)
class TrainShipped:
    """Train and evaluate the shipped policies."""

    only: str | None = None
    """Name of one of them."""
    evaluate_only: bool = False
    """Keep the weights, and write the figures anew."""


def main() -> None:
    """Do what the command line asks for."""
    wanted = tyro.cli(TrainShipped, description=__doc__)
    for name in [wanted.only] if wanted.only else RECIPES:
        recipe = RECIPES[name]
        path = SHIPPED / f"{name}.safetensors"
        if not wanted.evaluate_only:
            with tempfile.TemporaryDirectory() as folder:
                policy = train(replace(recipe.config, out=Path(folder)))
            card = {**policy.description, "name": name, "labels": policy.labels}
            card.pop("evaluation", None)
            save_policy(path, policy.module, card)
        write_figures(path, recipe)


def write_figures(path: Path, recipe: Recipe) -> None:
    """Evaluate a policy and write what comes out on its card, beside its note."""
    policy = load_policy(path)
    found = [
        evaluate(
            policy,
            recipe.config.env,
            EPISODES,
            seed=FIRST_SEED,
            deterministic=greedy,
            **options,
        )
        for options in recipe.evaluated_with
        for greedy in (False, True)
    ]
    network, card = read_policy(path)
    card |= {"note": recipe.note} if recipe.note else {}
    save_policy(path, network, {**card, "evaluations": [each.as_dict() for each in found]})
    for each in found:
        print(f"{policy.name}, {each}", flush=True)


if __name__ == "__main__":
    main()
