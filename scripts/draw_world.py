"""Draw the picture of docs/world.md: the choice, and what the shipped policies would have done.

python -m scripts.draw_world
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.models.policy import Policy
from rlvis_agents import load_policy
from rlvis_envs.cube_reach_choice import CubeReachChoiceEnv

DOCS = Path(__file__).parent.parent / "docs"
POLICIES = ("cube-reach-choice", "cube-reach-choice-shortcut")
SEED = 2
LARGE = 320, 240
TILE = 144, 192

Question = Callable[[CubeReachChoiceEnv], np.ndarray]
QUESTIONS: dict[str, Question] = {
    "as it is": lambda env: env.moved("agent"),
    "marker blue": lambda env: env.recoloured("marker", "blue"),
    "no marker": lambda env: env.without("marker"),
    "no right cube": lambda env: env.without("right cube"),
    "floor of planks": lambda env: env.resurfaced("floor", "wood_planks_1"),
    "dim light": lambda env: env.relit(brightness=0.55),
}


def main() -> None:
    """Write docs/choice.webp."""
    policies = [load_policy(name) for name in POLICIES]
    page = Page(
        "CubeReachChoice-v0: blue means left, yellow means right",
        ["π(left) / π(forward) / π(right) under each picture, as the policy sees it"],
        [starts(), *(what_if(policy) for policy in policies)],
        width=1280,
    )
    kept = io.BytesIO()
    page.picture().convert("RGB").save(kept, "webp", quality=88, method=6)
    (DOCS / "choice.webp").write_bytes(kept.getvalue())


def starts() -> Row:
    """Camera and plan at the start of two episodes, one of each side."""
    tiles = []
    env = make()
    for seed in (SEED, SEED + 7):
        _, info = env.reset(seed=seed)
        side = env.action_names[info["side"]]
        for view in ("agent", "top"):
            seen = "camera" if view == "agent" else "plan"
            tiles.append(Tile(env.render_view(view, *LARGE), Shown(f"{side} counts: {seen}")))
    env.close()
    return Row(tiles, "Two starts", tile=TILE)


def what_if(policy: Policy) -> Row:
    """One start as it is and as it would have been, with what the policy would have done."""
    env = make(**policy.description["env_options"])
    env.reset(seed=SEED)
    tiles = []
    for caption, question in QUESTIONS.items():
        picture = question(env)
        tiles.append(
            Tile(picture, Shown(caption, notes=[" / ".join(probabilities(policy, picture))]))
        )
    env.close()
    return Row(tiles, f"What would {policy.name} have done?", tile=TILE, grows=True)


def probabilities(policy: Policy, picture: np.ndarray) -> list[str]:
    """π of each action in percent."""
    logits = policy.act(picture).logits
    shares = np.exp(logits - logits.max())
    return [f"{share:.0%}" for share in shares / shares.sum()]


def make(**options: Any) -> CubeReachChoiceEnv:
    """The world."""
    env = gymnasium.make("rlvis_envs:CubeReachChoice-v0", **options).unwrapped
    assert isinstance(env, CubeReachChoiceEnv)
    return env


if __name__ == "__main__":
    main()
