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


def main() -> None:
    """Write docs/rollout.png and docs/cat-explained.png."""
    recording = rlvis.record(
        load_policy("cube-reach"), "rlvis_envs:CubeReach-v0", episodes=2, seed=3
    )
    step = int(recording.episode(1).probabilities[:, 2].argmax())
    frame = frames_of(recording, 1).draw(step)
    Image.fromarray(frame).save(DOCS / "rollout.png", optimize=True)
    model = rlvis.load_classifier("efficientnet-lite0")
    why = rlvis.explain(model, DOCS / "photos" / "cat.jpg", "grad-cam", top(5))
    why.save(DOCS / "cat-explained.png")


if __name__ == "__main__":
    main()
