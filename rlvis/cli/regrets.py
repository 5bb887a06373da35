"""Regrets of recorded decisions, with a bar: for the commands that sort and choose by them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.playing import RecordedPolicy
from rlvis.processor import limit_threads

if TYPE_CHECKING:
    import numpy as np

    from rlvis.rollouts.recording import Recording


def regrets_of(
    recording: "Recording", source: RecordedPolicy, episodes: Sequence[int] | None = None
) -> "dict[int, np.ndarray]":
    """See `rlvis.evaluation.regret.recorded_regrets`."""
    from rlvis.evaluation.regret import recorded_regrets

    limit_threads(1)
    with stoppable_progress() as report:
        return recorded_regrets(recording, source.of(recording), episodes, on_progress=report)
