"""What all episodes of a recording share, and how it is written down."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rlvis.models.distributions import ActionDistribution, Categorical, from_record


@dataclass(frozen=True)
class MethodRecord:
    """How one set of heatmaps was made; see `rlvis.attribution.registry.Method`.

    Attributes:
        name: of the method, with its options.
        layer: that was read, or None.
        signed, frame, one_sided, adds_up: as of the method.
        unit: of the maps, with "{score}" for that of what they explain; "" where nobody wrote it.
        caveat: see `Explanation`.
    """

    name: str
    layer: str | None
    signed: bool
    frame: int | None = None
    one_sided: bool = False
    adds_up: bool = False
    unit: str = ""
    caveat: str = ""


@dataclass(frozen=True)
class Targets:
    """What the heatmaps of an episode explain, where that is no action of its own.

    Attributes:
        names: T lists of n names, of what a target means at each step ("left - right").
        values: float32 (T, n).
    """

    names: list[list[str]]
    values: np.ndarray


@dataclass(frozen=True)
class Header:
    """What all episodes of a recording share.

    Attributes:
        environment: its id.
        policy: its name.
        actions: the names of the policy's scores.
        methods: how the heatmaps were made.
        distribution: how actions were drawn.
        frames: how many frames are stacked in the channels of an observation, the latest last.
        wrappers: put around the environment by name, the innermost first.
        targets: what heatmaps explain, as it was asked for; empty where it is every action.
        success: the rule by which episodes ended well, None where the environment says it.
        contrast: whether the action taken less the best of the others is explained besides.
        units: of each target, or of an action; "" where nobody wrote it.
        env_options: passed to the environment's constructor.
        source: how the policy was loaded, attributes of a `rlvis.ModelSource` by name; empty where
            it was made by hand.
        fingerprint: of the policy's weights, see `recorded_policy.fingerprint`; "" where unknown.
        states: how the environment's states are kept: "json", "bytes", or "" where none are.
        no_states: why there are none.
        no_environment: why the environment cannot be made again, "" where it can.
        no_views: why its own pictures cannot be drawn from the states, "" where they can.
    """

    environment: str
    policy: str
    actions: list[str]
    methods: list[MethodRecord]
    distribution: ActionDistribution
    frames: int = 1
    wrappers: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    success: str | None = None
    contrast: bool = False
    units: list[str] = field(default_factory=list)
    env_options: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    states: str = ""
    no_states: str = ""
    no_environment: str = ""
    no_views: str = ""

    def unit_of(self, method: MethodRecord, column: int) -> str:
        """The unit of a method's maps of a target, or of the actions, "" where it is not known."""
        known = self.units if self.targets else self.units[:1] * (column + 1)
        return method.unit.replace("{score}", known[column]) if column < len(known) else ""

    def record(self) -> dict[str, Any]:
        """The header as JSON holds it."""
        return {**asdict(self), "distribution": self.distribution.record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Header":
        """The header that `record` described, perhaps of an older version.

        Raises:
            ValueError: if it describes none.
        """
        try:
            actions = _texts(record["actions"])
            distribution = record.get("distribution")
            if distribution is not None:
                _check_counts(distribution, len(actions))
            made = cls(
                str(record["environment"]),
                str(record["policy"]),
                actions,
                [MethodRecord(**each) for each in record["methods"]],
                from_record(distribution) if distribution else Categorical(len(actions)),
                int(record.get("frames", 1)),
                _texts(record.get("wrappers", [])),
                _texts(record.get("targets", [])),
                record.get("success"),
                record.get("contrast") is True,
                _texts(record.get("units", [])),
                dict(record.get("env_options", {})),
                dict(record.get("source", {})),
                str(record.get("fingerprint", "")),
                str(record.get("states", "")),
                str(record.get("no_states", "")),
                str(record.get("no_environment", "")),
                str(record.get("no_views", "")),
            )
            described = len(made.distribution.labels)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"its header is incomplete ({error})") from None
        if not actions or described != len(actions):
            raise ValueError("its header names other actions than it describes")
        return made


def _texts(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise ValueError("its header holds other things than names")
    return given


def _check_counts(distribution: Mapping[str, Any], actions: int) -> None:
    """Whether a distribution counts no more than there are actions: before it makes as many."""
    sizes, shape = distribution.get("sizes") or (), distribution.get("shape") or ()
    for count in (distribution.get("count", actions), len(sizes), *sizes, len(shape), *shape):
        if not 0 <= count <= actions:
            raise ValueError("its header counts other actions than it names")
