"""What training shows of itself: a bar, and a line for each evaluation."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rlvis.rollouts.success import ended_well
from rlvis_agents.evaluation import Evaluation


class TrainingProgress:
    """The last 100 episodes of a run, shown on a bar while in a `with` block.

    Args:
        done, total: environment steps.
        shown: False shows nothing.
    """

    def __init__(self, done: int, total: int, *, shown: bool) -> None:
        self.console = Console(quiet=not shown)
        self._returns: deque[float] = deque(maxlen=100)
        self._successes: deque[bool] = deque(maxlen=100)
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps{task.description}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not shown,
        )
        self._task = self._bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.stop()

    def update(self, steps: int, speed: float, infos: Sequence[Mapping[str, Any]]) -> None:
        """Show the state after a step of all environments.

        Args:
            steps: environment steps done.
            speed: environment steps per second.
            infos: of all environments; "episode" is in those that just ended one.
        """
        for info in infos:
            if "episode" in info:
                self._returns.append(info["episode"]["r"])
                if (success := ended_well(info)) is not None:
                    self._successes.append(success)
        shown = "".join(f" · {name} {value:.3g}" for name, value in self.figures.items())
        self._bar.update(self._task, completed=steps, description=f"{shown} · {speed:.0f} steps/s")

    @property
    def figures(self) -> dict[str, float]:
        """Success rate and mean return of the last episodes, as far as there are any."""
        kept: dict[str, Sequence[float]] = {"success": self._successes, "return": self._returns}
        return {name: sum(values) / len(values) for name, values in kept.items() if values}

    def report(self, steps: int, evaluation: Evaluation) -> None:
        """Print one line on an evaluation."""
        text = f"{steps:,} steps: {evaluation}"
        self.console.print(text, highlight=False, soft_wrap=True)
