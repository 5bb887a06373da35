"""What a network says of many pictures: a row for each, mistakes first, as a table or a page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from PIL import Image

from rlvis.attribution.explanation import Explanation
from rlvis.attribution.panel_parts import standings
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import Colour
from rlvis.display.tiles import Row, Tile
from rlvis.images.frames import picture_of
from rlvis.models.score_kinds import percentage
from rlvis.results import Result, Table

_SIDE = 160
_TOLD = 3
_WRONG: Colour = (200, 64, 38)


@dataclass(frozen=True)
class Prediction:
    """What a network says of one picture.

    Attributes:
        path: the picture's.
        predicted: the label of the highest score; of a single label that or "not …", whichever is
            likelier; empty where scores are numbers that measure different things.
        probability: of that, NaN where scores make up none.
        label: what the picture is, None where that is not known.
        label_probability: of that label.
        correct: whether the network says so, None where the label is not known: whether it is the
            predicted one, or, of labels that do not exclude each other, has a probability of 0.5.
        link: where more of it is to be seen.
        target: what the map beside the picture is of: the predicted label where that was explained,
            else the first target.
        method: that the map is by.
        notes: of the map; see `Heatmaps.notes`.
        thumbnail: a small JPEG of the picture and that map, side by side; empty for none.
        numbers: the scores in words where they make up no probabilities.
    """

    path: str
    predicted: str
    probability: float
    label: str | None = None
    label_probability: float = float("nan")
    correct: bool | None = None
    link: str = ""
    target: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    thumbnail: bytes = field(default=b"", repr=False)
    numbers: str = ""

    @classmethod
    def of(
        cls,
        path: str,
        explanation: Explanation,
        label: int | None = None,
        link: str = "",
        thumbnail: bool = False,
    ) -> "Prediction":
        """That of an explanation of one picture.

        Args:
            path: the picture's.
            explanation: N = 1.
            label: the index of what it is, if that is known.
            link: where more of it is to be seen.
            thumbnail: whether a page is to show it.
        """
        labels, probabilities = explanation.labels, explanation.probabilities[0]
        predicted, probability = _predicted(explanation)
        known = None if not predicted else label
        targets = explanation.targets[0]
        shown = targets.index(predicted) if predicted in targets else 0
        return cls(
            path,
            predicted,
            probability,
            None if known is None else labels[known],
            float("nan") if known is None else float(probabilities[known]),
            None if known is None else _is_said(explanation, known),
            link,
            targets[shown],
            explanation.method,
            tuple(explanation.notes[0][shown]),
            _thumbnail(explanation, shown) if thumbnail else b"",
            "" if explanation.kind.probable else _numbers(explanation),
        )

    @property
    def says(self) -> str:
        """The predicted label with its probability, or the scores where there is none."""
        return self.numbers or f"{self.predicted} {percentage(self.probability)}"


def _predicted(explanation: Explanation) -> tuple[str, float]:
    """The label that the scores of the first image speak for, and its probability."""
    labels, kind = explanation.labels, explanation.kind
    shares, highest = explanation.probabilities[0], int(explanation.logits[0].argmax())
    if not kind.probable:
        return labels[highest] if kind.competing else "", float("nan")
    if len(labels) == 1 and shares[0] < 0.5:
        return f"not {labels[0]}", 1 - float(shares[0])
    return labels[highest], float(shares[highest])


def _is_said(explanation: Explanation, label: int) -> bool:
    """Whether the scores of the first image speak for a label."""
    if explanation.kind.competing:
        return int(explanation.logits[0].argmax()) == label
    return float(explanation.probabilities[0, label]) >= 0.5


def _numbers(explanation: Explanation) -> str:
    """The scores of the first image in words, the three highest where one is chosen."""
    told = standings(explanation, 0)
    if explanation.kind.competing:
        told = sorted(told, key=lambda each: -explanation.logits[0, each.label])
    shown = ", ".join(f"{explanation.labels[each.label]} {each.words}" for each in told[:_TOLD])
    return shown + ", …" * (len(explanation.labels) > _TOLD)


class Predictions(Result):
    """What a network says of many pictures.

    Mistakes come first, the most confident ones at the top, then what is right, the least
    confident ones at the top; pictures of which nothing is known as they came.

    Args:
        model: the network's name.
        rows: one for each picture.
    """

    def __init__(self, model: str, rows: Sequence[Prediction]) -> None:
        self.model = model
        self.rows = sorted(rows, key=_urgency)

    def _of(self, correct: bool | None) -> list[Prediction]:
        return [row for row in self.rows if row.correct is correct]

    def page(self) -> Page:
        """Thumbnails in the order of the rows, each leading to where more is to be seen."""
        headings = {False: "Mistakes", True: "Correct", None: "Pictures"}
        rows = [
            Row(_Tiles(group), f"{heading} ({len(group)})", tile=(_SIDE, 2 * _SIDE))
            for correct, heading in headings.items()
            if (group := self._of(correct))
        ]
        return Page(
            f"What {self.model} says", [self.accuracy or f"{len(self.rows)} pictures"], rows
        )

    @property
    def accuracy(self) -> str:
        """How many of the pictures whose label is known are correct, "" where there are none."""
        right, wrong = len(self._of(True)), len(self._of(False))
        if not right + wrong:
            return ""
        return (
            f"{right} of {right + wrong} pictures correct ({percentage(right / (right + wrong))})"
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns of the table; text for what is not known is empty."""
        return {name: np.array(column) for name, column in self.table().items()}

    def table(self) -> Table:
        """A row for each picture; what is not known is empty."""
        rows = self.rows
        return {
            "path": [row.path for row in rows],
            "label": [row.label or "" for row in rows],
            "predicted": [row.predicted for row in rows],
            "probability": [row.probability for row in rows],
            "scores": [row.numbers for row in rows],
            "correct": ["" if row.correct is None else str(row.correct).lower() for row in rows],
            "label_probability": [row.label_probability for row in rows],
        }

    @property
    def summary(self) -> str:
        """Of which network, and how many."""
        return ", ".join(
            filter(None, [f"{len(self.rows)} pictures by {self.model}", self.accuracy])
        )


def _urgency(row: Prediction) -> tuple[int, float]:
    place = {False: 0, True: 1, None: 2}[row.correct]
    confidence = 0.0 if np.isnan(row.probability) else row.probability
    return place, {0: -confidence, 1: confidence, 2: 0.0}[place]


class _Tiles(Sequence[Tile]):
    """Tiles made when they are looked at: many thumbnails, unpacked, take much memory."""

    def __init__(self, rows: Sequence[Prediction]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Tile: ...

    @overload
    def __getitem__(self, index: slice) -> "_Tiles": ...

    def __getitem__(self, index: int | slice) -> "Tile | _Tiles":
        if isinstance(index, slice):
            return _Tiles(self._rows[index])
        return _tile(self._rows[index])


def _tile(row: Prediction) -> Tile:
    shows = Shown(
        predicted=row.says,
        label=row.label or "" if row.correct is False else "",
        target=row.target,
        method=row.method,
        image=row.path,
        notes=row.notes,
    )
    with Image.open(io.BytesIO(row.thumbnail)) as picture:
        pixels = np.asarray(picture)
    return Tile(pixels, shows, _WRONG if row.correct is False else None, row.link)


def _thumbnail(explanation: Explanation, target: int) -> bytes:
    picture = picture_of(explanation.images[0], explanation.frames)
    shown = Image.fromarray(np.concatenate([picture, explanation.overlay()[0, target]], axis=1))
    shown.thumbnail((2 * _SIDE, _SIDE))
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
