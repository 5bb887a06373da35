"""Draw the pictures of the README from the shipped policy and the real ImageNet weights.

python -m scripts.draw_docs
"""

from pathlib import Path

from PIL import Image

import rlvis
from rlvis.models.targets import top
from rlvis.rollouts.film.writing import frames_of
from rlvis_agents import load_policy

DOCS = Path(__file__).parent.parent / "docs"
GUIDE = DOCS / "how-to"


def main() -> None:
    """Write the pictures of the README and of the guide to moments."""
    recording = rlvis.record(
        load_policy("cube-reach"), "rlvis_envs:CubeReach-v0", episodes=2, seed=3
    )
    step = int(recording.episode(1).probabilities[:, 2].argmax())
    frame = frames_of(recording, 1).draw(step)
    Image.fromarray(frame).save(DOCS / "rollout.png", optimize=True)
    model = rlvis.load_classifier("efficientnet-lite0")
    why = rlvis.explain(model, DOCS / "photos" / "cat.jpg", "grad-cam", top(5))
    why.save(DOCS / "cat-explained.png")
    draw_moments()


def draw_moments() -> None:
    """Write the pictures of docs/how-to/moments.md: 500 episodes, and the one that fails."""
    policy, other = load_policy("cube-reach-distractors"), load_policy("cube-reach")
    recording = rlvis.record(
        policy, "rlvis_envs:CubeReachDistractors-v0", episodes=500, methods="none"
    )
    failures = rlvis.EpisodeTable.of(recording).only("failures").episodes
    stuck = rlvis.find_moments(recording, 1, kinds=["stuck"], episodes=failures)[0]
    frame = frames_of(recording, stuck.episode).draw(stuck.step, marked=stuck.kind)
    Image.fromarray(frame).save(GUIDE / "moment.png", optimize=True)
    found = rlvis.what_if(recording, policy, stuck.episode, stuck.step)
    found.save(GUIDE / "whatif.png")
    for each in found.futures:
        print(f"{each.title}: {each.summary}")
    rlvis.compare(recording, other, policy=policy, episodes=range(40)).save(
        GUIDE / "compared-policies.png", most=4
    )
    world = recording.make_environment()
    world.reset(seed=116)
    rlvis.policy_field(policy, world, title="cube-reach-distractors").save(GUIDE / "field.png")


if __name__ == "__main__":
    main()
