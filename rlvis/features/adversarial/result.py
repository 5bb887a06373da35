"""What came of attacks: their pages, with the attribution before and after, and their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from torch import Tensor

from rlvis.attribution.engine import explain
from rlvis.deprecation import FormerName
from rlvis.display.numbers import written
from rlvis.display.overlays import STRONGEST, grey, limit, overlay
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.models.image_model import ImageModel
from rlvis.models.pixels import as_picture
from rlvis.models.scores import Scores
from rlvis.results import Result, Results, Table, by_name

Norm = Literal["linf", "l2"]
GRAD_CAM = "grad-cam"
_SIDE = 232


@dataclass(frozen=True, repr=False, eq=False)
class Attack(Result):
    """Images before and after an attack.

    Attributes:
        model: what was attacked.
        clean, attacked: float32 (N, C, H, W), 0 black to 1 white, as the network sees them.
        inputs: the same two as the network's input.
        context: what the network took besides, held as it was.
        before, after: the scores.
        goal: int64 (N,), the label to reach, or the one to leave where `targeted` is False.
        targeted: whether the goal is to be reached.
        method, norm: how.
        eps: float32 (N,), the change that was allowed, or the smallest one that was found.
        smallest: which of the two.
    """

    model: ImageModel
    clean: Tensor
    attacked: Tensor
    inputs: tuple[Tensor, Tensor]
    context: dict[str, Tensor]
    before: Scores
    after: Scores
    goal: Tensor
    targeted: bool
    method: str
    norm: Norm
    eps: Tensor
    smallest: bool = False

    size = FormerName("eps")

    @property
    def change(self) -> Tensor:
        """Float32 (N, C, H, W): what was added."""
        return self.attacked - self.clean

    @property
    def success(self) -> Tensor:
        """Bool (N,): whether the decision was turned (to the goal, if there is one)."""
        reached = self.after.logits.argmax(dim=1) == self.goal
        return reached if self.targeted else ~reached

    def one(self, index: int) -> "Attack":
        """What came of one of the images, N = 1."""
        part = slice(index, index + 1)
        return replace(
            self,
            clean=self.clean[part],
            attacked=self.attacked[part],
            inputs=(self.inputs[0][part], self.inputs[1][part]),
            context={name: each[part] for name, each in self.context.items()},
            before=self.before.rows(part),
            after=self.after.rows(part),
            goal=self.goal[part],
            eps=self.eps[part],
        )

    def page(self, method: str = GRAD_CAM) -> Page:
        """Original, change, result and the attribution before and after; see `Attacks.page`."""
        return _page([self], method)

    def arrays(self) -> dict[str, np.ndarray]:
        """Images, scores and sizes."""
        found = {
            "clean": self.clean,
            "attacked": self.attacked,
            "scores_before": self.before.logits.float(),
            "scores_after": self.after.logits.float(),
            "goal": self.goal,
            "eps": self.eps,
            "success": self.success,
        }
        return {name: each.cpu().numpy() for name, each in found.items()}

    def table(self) -> Table:
        """A row for each image: what was decided before and after, and the size of the change."""
        changes = self.change.flatten(1)
        decided = [each.logits.argmax(dim=1).tolist() for each in (self.before, self.after)]
        labels = self.before.labels
        return {
            "before": [labels[each] for each in decided[0]],
            "after": [labels[each] for each in decided[1]],
            "probability_before": self.before.probabilities.amax(dim=1).tolist(),
            "probability_after": self.after.probabilities.amax(dim=1).tolist(),
            "success": self.success.tolist(),
            "eps": self.eps.tolist(),
            "linf": changes.abs().amax(dim=1).tolist(),
            "l2": changes.norm(dim=1).tolist(),
        }

    @property
    def summary(self) -> str:
        """How, and how many were turned."""
        turned = int(self.success.sum())
        return f"{self.method} of {self.model.name}, {turned} of {len(self.clean)} turned"


class Attacks(Results[Attack]):
    """Attacks of several pictures, all in the same way, by picture."""

    def page(self, method: str = GRAD_CAM) -> Page:
        """Original, change, result and the attribution before and after, a row per image.

        Args:
            method: of attribution.
        """
        return _page(list(self.values()), method)

    def table(self) -> Table:
        """A row for each picture."""
        names = [name for name, part in self.items() for _ in part.clean]
        return {"picture": names, **super().table()}


def _page(found: Sequence[Attack], method: str) -> Page:
    rows = [attack_row(each, index, method) for each in found for index in range(len(each.clean))]
    turned = sum(int(each.success.sum()) for each in found)
    first = found[0]
    which = "the smallest change that does, found by halving" if first.smallest else "a fixed size"
    lines = [
        f"{how_line(first)}, {which}; {turned} of {len(rows)} turned",
        drawn_line(first, method),
    ]
    return Page(f"{first.model.name} under attack", lines, rows)


def how_line(found: Attack) -> str:
    """How images were attacked."""
    goal = (
        f"to be decided {found.before.labels[int(found.goal[0])]}"
        if found.targeted
        else "to leave the decision"
    )
    measured = {
        "linf": "L∞, the largest change of a value, where white is 255",
        "l2": "L2, the Euclidean length of the change, where white is 1",
    }
    return f"{found.method.upper()} {goal}; the size is {measured[found.norm]}"


def drawn_line(found: Attack, method: str) -> str:
    """What a page says of its pictures."""
    latest = "; of stacked frames the latest" if found.clean.shape[1] not in (1, 3) else ""
    return (
        f"changes are drawn amplified round middle grey; {method} of the label that was decided "
        f"for, one scale for both pictures of a row, whose full colour is their {STRONGEST:.1%} "
        f"quantile{latest}"
    )


def _sized(size: float, norm: str) -> str:
    return f"{written(size * 255)} of 255" if norm == "linf" else written(size)


def attack_row(found: Attack, index: int, method: str) -> Row:
    """Original, change, result and the attribution before and after of one image."""
    clean, attacked = (
        as_picture(each[index].cpu().numpy()) for each in (found.clean, found.attacked)
    )
    change = found.change[index]
    most = float(change.abs().max())
    drawn = as_picture((0.5 + change / (2 * most or 1)).cpu().numpy())
    before, after = _decided(found.before, index), _decided(found.after, index)
    context = {name: entry[index : index + 1] for name, entry in found.context.items()}
    explained = [
        explain(found.model, inputs[index : index + 1], method, label, context=context)
        for inputs, label in zip(found.inputs, (before, after), strict=True)
    ]
    maps, signed = [each.maps[0, 0] for each in explained], explained[0].signed
    most_heat = max(limit(each) for each in maps)
    tiles = [
        Tile(clean, Shown("original", notes=_predictions(found.before, index))),
        Tile(
            drawn,
            Shown(
                f"change × {written(0.5 / most)}" if most else "no change",
                notes=[
                    f"L∞ {_sized(most, 'linf')}",
                    f"L2 {_sized(float(change.norm()), 'l2')}",
                ],
            ),
        ),
        Tile(attacked, Shown("attacked", notes=_predictions(found.after, index))),
    ]
    for picture, each in zip((clean, attacked), explained, strict=True):
        height, width = picture.shape[:2]
        notes, label = each.notes[0][0], each.targets[0][0]
        resized = each.seen_heatmap(0, 0, height, width)
        shows = Shown(
            f"why {label}",
            target=label,
            method=each.method,
            notes=notes,
            headed=("target", "method"),
        )
        ground = grey(picture)
        drawn = overlay(ground, resized * (not notes), most_heat, signed)
        tiles.append(Tile(drawn, shows))
    turned = bool(found.success[index])
    how = ("turned by" if found.smallest else "turned within") if turned else "withstood"
    note = f"{how} {_sized(float(found.eps[index]), found.norm)}"
    heading = f"{found.before.labels[before]} → {found.before.labels[after]}"
    return Row(tiles, heading, note, (_SIDE * clean.shape[0] // clean.shape[1], _SIDE))


def _decided(scores: Scores, index: int) -> int:
    return int(scores.logits[index].argmax())


def _predictions(scores: Scores, index: int, most: int = 3) -> list[str]:
    best = scores.logits[index].argsort(descending=True)[:most].tolist()
    if not scores.kind.probable:
        told = [scores.kind.words(each, float(scores.logits[index, each])) for each in best]
    else:
        told = [f"{float(scores.probabilities[index, each]):.1%}" for each in best]
    return [f"{words} {scores.labels[each]}" for words, each in zip(told, best, strict=True)]


def together(found: Sequence[Attack]) -> Attacks:
    """Attacks in the same way, by number."""
    return Attacks(by_name(found, [str(number) for number in range(len(found))]))


def attack_picture(
    model: ImageModel, found: Sequence[Attack], method: str | None = None
) -> Image.Image:
    """The page of `Attacks` as a picture; what is explained is `model`."""
    return _of_model(model, found).picture(method or GRAD_CAM)


def save_attack(
    model: ImageModel, found: Sequence[Attack], path: str | Path, method: str | None = None
) -> Path:
    """Save `Attacks` and return the path; what is explained is `model`."""
    return _of_model(model, found).save(path, method or GRAD_CAM)


def save_attack_data(found: Attack, path: str | Path) -> Path:
    """Save the numbers of an attack and return the path."""
    return found.save_data(path)


def _of_model(model: ImageModel, found: Sequence[Attack]) -> Attacks:
    return together([replace(each, model=model) for each in found])
