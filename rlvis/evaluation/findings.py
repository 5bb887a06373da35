"""Everything that an audit found, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rlvis.evaluation.counterfactuals import Counterfactual
from rlvis.evaluation.decisions import Decisions
from rlvis.evaluation.effects import Effect
from rlvis.evaluation.estimates import Estimate
from rlvis.evaluation.maps import MethodScores
from rlvis.evaluation.shortcuts import Cue
from rlvis.evaluation.verdicts import Verdict
from rlvis.evaluation.windows import WindowScan


@dataclass(frozen=True)
class Moved:
    """A change that moves a policy, and the moment that it moves most.

    Attributes:
        effect: what the change does.
        before, after: uint8 (H, W, 3), the image that it moves most.
    """

    effect: Effect
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)


@dataclass(frozen=True, repr=False)
class Findings:
    """What an audit found.

    Attributes:
        policy, environment: their names.
        actions: the names of the K scores.
        frames, episodes: how many were asked about.
        success: the share of episodes that ended well; empty where nobody says.
        moved: what moves the policy, the strongest first.
        targets: what maps were asked about, the first one in the verdicts.
        methods: scores of baselines and methods.
        verdicts: by method.
        example: uint8 (H, W, 3), the image of the methods' examples.
        decisions: true values; None where they could not be found.
        counterfactuals: some, each with the image before and after, uint8 (H, W, 3).
        turned: the share of moments that each kind of change turns as the smallest one.
        cues: what varies between episodes, and what hangs on it.
        constant: the factors that do not vary, of which nothing can be said.
        windows: what swapping windows does.
        mean_image: uint8 (H, W, 3), of all frames.
        left_out: what could not be asked, and what it would take.
        seconds: of the processor.
        of_pictures: whether the frames are pictures, each of which stands alone.
        fingerprint: of the weights of what was audited.
        parts: what maps are held against, in words: how parts of images are taken away.
    """

    policy: str
    environment: str
    actions: Sequence[str]
    frames: int
    episodes: int
    success: Estimate
    moved: Sequence[Moved]
    targets: Sequence[str]
    methods: Sequence[MethodScores]
    verdicts: Mapping[str, Verdict]
    example: np.ndarray = field(repr=False)
    decisions: Decisions | None
    counterfactuals: Sequence[tuple[Counterfactual, np.ndarray, np.ndarray]]
    turned: Mapping[str, Estimate]
    cues: Sequence[Cue]
    constant: Sequence[str]
    windows: WindowScan
    mean_image: np.ndarray = field(repr=False)
    left_out: Sequence[str]
    seconds: float = 0.0
    of_pictures: bool = False
    fingerprint: str = field(default="", repr=False)
    parts: str = ""

    @property
    def effects(self) -> list[Effect]:
        """What moves the policy, without pictures."""
        return [each.effect for each in self.moved]

    @property
    def measure(self) -> str:
        """What episodes were compared by: "success", "return", or either."""
        known = {each.measure for each in self.cues if each.lost.count} or {"success"}
        return " or ".join(sorted(known, reverse=True))

    @property
    def shortcuts(self) -> list[Cue]:
        """The cues that success hangs on although it should not."""
        return [each for each in self.cues if each.is_shortcut]
