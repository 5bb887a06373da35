"""What commands that read a recording take besides it: the policy that was recorded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

if TYPE_CHECKING:
    from rlvis.models.policy import Policy
    from rlvis.rollouts.revisited import RevisitedEpisodes


@dataclass(frozen=True)
class RecordedPolicy:
    """The policy of a recording.

    Attributes:
        policy: where it is now, if it is not where it was loaded from when it was recorded.
        trust: run code that its file holds, as when it was recorded.
    """

    policy: Annotated[str | None, arg(name="policy")] = None
    trust: bool = False

    def of(self, recording: "RevisitedEpisodes") -> "Policy":
        """The policy that was recorded.

        Raises:
            InputError: if it cannot be found, or is another.
        """
        from rlvis.zoo.loading import load_playing_policy
        from rlvis.zoo.source import ModelSource

        if self.policy is None:
            return recording.policy()
        return recording.policy(load_playing_policy(ModelSource(self.policy, trust=self.trust)))
