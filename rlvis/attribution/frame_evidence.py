"""Evidence of one frame of a stack, the other frames held as they are."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from rlvis.attribution.changed_images import Answers
from rlvis.attribution.evidence import Evidence
from rlvis.images.frames import channels_of


class FrameEvidence:
    """`Evidence` that one frame gives, the others held as they are: what a formula reads of it.

    Args:
        evidence: of the whole stack.
        frame: see `frames.channels_of`.

    Raises:
        InputError: if there is no such frame.
    """

    def __init__(self, evidence: Evidence, frame: int) -> None:
        self._evidence = evidence
        self._channels = channels_of(frame, evidence.frames, evidence.inputs.shape[1])
        self.inputs = evidence.inputs[:, self._channels]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evidence, name)

    def input_gradients(self, rule: str = "plain") -> Tensor:
        """As `Evidence.input_gradients`, of the frame's channels."""
        return self._evidence.input_gradients(rule)[:, :, self._channels]

    def summed_gradients(self, versions: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """As `Evidence.summed_gradients`, for other versions (S, N, c, H, W) of the frame."""
        others = self._evidence.inputs.detach()
        whole = (
            (self._within(others.expand(len(frames), -1, -1, -1, -1), frames), weights)
            for frames, weights in versions
        )
        return self._evidence.summed_gradients(whole)[:, :, self._channels]

    def under(self, masks: Tensor, covers: Tensor) -> Iterator[Answers]:
        """As `Evidence.under`, for covers of the frame, broadcastable to (N, c, H, W)."""
        whole = self._evidence.inputs.detach().clone()
        whole[:, self._channels] = covers
        return self._evidence.under(masks, whole)

    def rescore(self, inputs: Tensor, image: int) -> Any:
        """As `Evidence.rescore`, for changed versions (M, c, H, W) of one image's frame."""
        others = self._evidence.inputs.detach()[image].expand(len(inputs), -1, -1, -1)
        return self._evidence.rescore(self._within(others, inputs), image)

    def _within(self, stacks: Tensor, frames: Tensor) -> Tensor:
        """The stacks (…, C, H, W) with this frame replaced."""
        whole = stacks.clone()
        whole[..., self._channels, :, :] = frames
        return whole
