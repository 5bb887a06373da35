"""A policy under attack in every frame, and what that does to its success."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rlvis.deprecation import renamed_parameters
from rlvis.display.page import Page
from rlvis.display.tiles import Matrix, Row
from rlvis.features.adversarial.attacks import attack, check_attack
from rlvis.features.adversarial.result import (
    GRAD_CAM,
    Attack,
    attack_row,
    drawn_line,
    how_line,
)
from rlvis.images.loading import Images, as_images
from rlvis.models.policy import Policy
from rlvis.models.scores import Scores
from rlvis.progress import silent
from rlvis.results import Result, Table

_EXAMPLES, _CELL = 4, 64


class AttackedPolicy(Policy):
    """A policy whose every observation is attacked before it sees it, rounded to 8 bits.

    Args:
        policy: the policy.
        eps: the change allowed, where black is 0 and white is 1.
        options: of `attack`.

    Attributes:
        frames_seen, frames_turned: how many observations were attacked, and in how many of them
            the policy then preferred another action.
        examples: the attacks of some of the latter.

    Raises:
        InputError: if the policy's actions are not one choice, or an option is none of `attack`'s.
    """

    @renamed_parameters(size="eps")
    def __init__(self, policy: Policy, eps: float, **options: Any) -> None:
        check_attack(policy, eps=eps, **options)
        super().__init__(
            policy.module,
            policy.labels,
            policy.preprocess,
            observation_shape=policy.observation_shape,
            name=f"{policy.name}, attacked",
            layer=policy.layer,
            description=policy.description,
            distribution=policy.distribution,
            image_key=policy.image_key,
            context=policy.context,
            memory=policy.memory,
            frames=policy.frames,
            pixel_range=policy.pixel_range,
        )
        self._attacked, self._options = policy, {"eps": eps, **options}
        self.frames_seen = self.frames_turned = 0
        self.examples: list[Attack] = []

    def scores(self, images: Images, context: Mapping[str, Any] | None = None) -> Scores:
        """The scores of the images under attack."""
        policy, pictures = self._attacked, as_images(images)
        found = attack(policy, pictures, context=context, on_progress=silent, **self._options)
        seen = (found.attacked * 255).round().to(torch.uint8)
        same = seen.shape[1:] == pictures.shape[1:]
        scores = policy.scores(seen, context) if same else found.after
        turned = scores.logits.argmax(dim=1) != found.before.logits.argmax(dim=1)
        self.frames_seen += len(turned)
        self.frames_turned += int(turned.sum())
        # Examples lie apart: the 1st turned frame, one about the 4th, the 16th, the 64th.
        due = self.frames_turned >= 4 ** len(self.examples)
        if due and bool(turned.any()) and len(self.examples) < _EXAMPLES:
            self.examples.append(found.one(int(turned.int().argmax())))
        return scores


@dataclass(frozen=True, repr=False, eq=False)
class AttackEvaluation(Result):
    """How a policy does under attack.

    Attributes:
        policy: that was attacked.
        outcomes: shares 0..1 by name, by how the policy was evaluated: "as it is", "attacked".
        measures: other numbers in the same way.
        lines: what came out, in words.
    """

    policy: AttackedPolicy
    outcomes: Mapping[str, Mapping[str, float]]
    measures: Mapping[str, Mapping[str, float]]
    lines: Sequence[str]

    @property
    def frames_turned(self) -> float:
        """The share of frames in which the attack made it prefer another action."""
        return self.policy.frames_turned / max(self.policy.frames_seen, 1)

    def page(self, method: str = GRAD_CAM) -> Page:
        """Shares before and after, and some frames that were turned.

        Args:
            method: of attribution.
        """
        names = list(next(iter(self.outcomes.values())))
        shares = np.array([[each[name] for name in names] for each in self.outcomes.values()])
        table = Matrix(shares, list(self.outcomes), names, lambda share: f"{share:.0%}", cell=_CELL)
        examples = [attack_row(each, 0, method) for each in self.policy.examples]
        about = [
            f"{self.frames_turned:.0%} of {self.policy.frames_seen} frames attacked made it "
            "prefer another action",
        ]
        if examples:
            first = self.policy.examples[0]
            about += [how_line(first), drawn_line(first, method)]
        heading = "Success and actions"
        rows = [Row([table], heading, tile=table.picture.shape[:2], grows=False), *examples]
        return Page(f"{self.policy.name} in every frame", [*self.lines, *about], rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Shares of the actions, success and length, an entry for each way."""
        shares = [list(self._actions(each).values()) for each in self.outcomes.values()]
        names = next(iter(self.measures.values()))
        return {
            "action_shares": np.array(shares),
            "frames_turned": np.array(self.frames_turned),
            **{
                name: np.array([each[name] for each in self.measures.values()], float)
                for name in names
            },
        }

    def table(self) -> Table:
        """A row for each way in which it was evaluated."""
        rows = [
            {**measures, **self._actions(outcome)}
            for measures, outcome in zip(
                self.measures.values(), self.outcomes.values(), strict=True
            )
        ]
        return {
            "policy": list(self.outcomes),
            **{name: [row[name] for row in rows] for name in rows[0]},
        }

    @staticmethod
    def _actions(outcome: Mapping[str, float]) -> dict[str, float]:
        return {name: share for name, share in outcome.items() if name != "success"}

    @property
    def summary(self) -> str:
        """The policy and the share of frames that were turned."""
        return f"{self.policy.name}, {self.frames_turned:.0%} of frames turned"
