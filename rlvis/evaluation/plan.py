"""How thorough an audit is."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlvis.attribution.registry import METHODS, get_method
from rlvis.options import MANY, check_whole

QUICK_METHODS = ("cam", "grad-cam", "saliency", "input-x-gradient")


@dataclass(frozen=True)
class AuditPlan:
    """How thorough an audit is.

    Attributes:
        frames: how many moments are asked about.
        methods: by name; every one of `rlvis.METHODS` that the network allows when left out.
        decisions: of how many moments the true values are found.
        episodes: played, and played again for each factor that varies.
        quick: fewer colours and textures; no deletion and insertion.
    """

    frames: int = 300
    methods: Sequence[str] = ()
    decisions: int = 100
    episodes: int = 60
    quick: bool = False

    def __post_init__(self) -> None:
        named = (self.methods,) if isinstance(self.methods, str) else tuple(self.methods)
        object.__setattr__(self, "methods", named)
        for each in named:
            get_method(each)
        check_whole("frames", self.frames, 12, MANY)
        check_whole("decisions", self.decisions, 0, MANY)
        check_whole("episodes", self.episodes, 0, MANY)

    @property
    def named(self) -> list[str]:
        """The methods to be tried."""
        usual = QUICK_METHODS if self.quick else tuple(METHODS)
        return list(self.methods or usual)


QUICK = AuditPlan(frames=60, decisions=12, episodes=20, quick=True)
"""A first look, in seconds."""
