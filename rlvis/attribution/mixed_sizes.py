"""What one method says of images of different sizes."""

from collections.abc import Iterable

from rlvis.attribution.explanation import Explanation


class ExplanationList(list[Explanation]):
    """An `Explanation` for each image."""

    def __init__(self, parts: Iterable[Explanation]) -> None:
        super().__init__(parts)
