"""Train and evaluate the policies that come with the package.

    python scripts/train_shipped.py                        both
    python scripts/train_shipped.py --only cube-reach
    python scripts/train_shipped.py --evaluate-only        the figures on their cards, anew

A card says how its policy was trained and what it did in 500 episodes that training did not see,
once with sampled actions and once greedily.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from rlvis_agents import TrainConfig, evaluate, load_policy, train
from rlvis_agents.checkpoints import read_policy, save_policy
from rlvis_agents.evaluation import HELD_OUT
from rlvis_agents.loading import SHIPPED

RECIPE = TrainConfig(steps=120_000, evaluate_every=20_000)
RECIPES = {
    "cube-reach": RECIPE,
    "cube-reach-distractors": replace(
        RECIPE, env="rlvis_envs:CubeReachDistractors-v0", steps=200_000
    ),
}
FIRST_SEED = HELD_OUT + 1_000_000
EPISODES = 500


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
        path = SHIPPED / f"{name}.safetensors"
        if not wanted.evaluate_only:
            with tempfile.TemporaryDirectory() as folder:
                policy = train(replace(RECIPES[name], out=Path(folder)))
            card = {**policy.description, "name": name, "labels": policy.labels}
            card.pop("evaluation", None)
            save_policy(path, policy.module, card)
        write_figures(path)


def write_figures(path: Path) -> None:
    """Evaluate a policy and write what comes out on its card."""
    policy = load_policy(path)
    environment = policy.description["environment"]
    found = [
        evaluate(policy, environment, EPISODES, seed=FIRST_SEED, deterministic=greedy)
        for greedy in (False, True)
    ]
    network, card = read_policy(path)
    save_policy(path, network, {**card, "evaluations": [each.as_dict() for each in found]})
    for each in found:
        print(f"{policy.name}, {each}", flush=True)


if __name__ == "__main__":
    main()
