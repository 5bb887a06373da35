"""The picture of an attack: what was seen, what was changed, and where the network looked."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from rlvis.attribution.engine import explain
from rlvis.display.overlay import grey, limit, overlay
from rlvis.display.sheet import Row, Tile, save_picture, sheet
from rlvis.explanation import resize_maps
from rlvis.features.attack import Attack
from rlvis.features.pixels import as_picture
from rlvis.files import save_arrays
from rlvis.model import ImageModel, Scores

_SIDE = 232


def attack_picture(
    model: ImageModel, found: Sequence[Attack], method: str | None = None
) -> Image.Image:
    """Original, change, result and the attribution before and after, a row per image.

    Args:
        model: what was attacked.
        found: by `attack` or `smallest_attack`, all in the same way.
        method: of attribution; grad-cam if left out.
    """
    first, method = found[0], method or "grad-cam"
    goal = "to reach the goal" if first.targeted else "to leave the decision"
    turned = sum(int(each.success.sum()) for each in found)
    rows = [_row(model, each, index, method) for each in found for index in range(len(each.clean))]
    measured = {
        "linf": "L∞, the largest change of a value",
        "l2": "L2, the Euclidean length of the change",
    }
    lines = [
        f"{first.method.upper()} {goal}; size is {measured[first.norm]}, black being 0 and white "
        f"1; {turned} of {len(rows)} turned",
        f"changes are drawn amplified round middle grey; {method} of the label that was decided "
        "for, one scale for both pictures of a row",
    ]
    return sheet(f"{model.name} under attack", lines, rows)


def save_attack(
    model: ImageModel, found: Sequence[Attack], path: str | Path, method: str | None = None
) -> Path:
    """Write `attack_picture` and return its path."""
    return save_picture(attack_picture(model, found, method), path)


def save_attack_data(found: Attack, path: str | Path) -> Path:
    """Write images, scores and sizes (.npz or .safetensors) and return the path."""
    return save_arrays(
        path,
        clean=found.clean.cpu().numpy(),
        attacked=found.attacked.cpu().numpy(),
        scores_before=found.before.logits.float().cpu().numpy(),
        scores_after=found.after.logits.float().cpu().numpy(),
        goal=found.goal.cpu().numpy(),
        size=found.size.cpu().numpy(),
        success=found.success.cpu().numpy(),
    )


def _row(model: ImageModel, found: Attack, index: int, method: str) -> Row:
    clean, attacked = (
        as_picture(each[index].cpu().numpy()) for each in (found.clean, found.attacked)
    )
    change = found.change[index]
    most = float(change.abs().max())
    drawn = as_picture((0.5 + change / (2 * most or 1)).cpu().numpy())
    before, after = _decided(found.before, index), _decided(found.after, index)
    context = {name: entry[index : index + 1] for name, entry in found.context.items()}
    explained = [
        explain(model, inputs[index : index + 1], method, label, context=context)
        for inputs, label in zip(found.inputs, (before, after), strict=True)
    ]
    maps, signed = [each.maps[0, 0] for each in explained], explained[0].signed
    most_heat = max(limit(each) for each in maps)
    tiles = [
        Tile(clean, ["original", *_predictions(found.before, index)]),
        Tile(
            drawn,
            [
                f"change × {0.5 / most:.3g}" if most else "no change",
                f"largest {most * 255:.2f} of 255",
                f"length {float(change.norm()):.3g}",
            ],
        ),
        Tile(attacked, ["attacked", *_predictions(found.after, index)]),
    ]
    for picture, heat, label in zip((clean, attacked), maps, (before, after), strict=True):
        height, width = picture.shape[:2]
        resized = resize_maps(heat[None, None], height, width)[0, 0]
        name = found.before.labels[label]
        tiles.append(Tile(overlay(grey(picture), resized, most_heat, signed), [f"why {name}"]))
    turned = bool(found.success[index])
    note = (
        f"turned at size {float(found.size[index]):.4g}"
        if turned
        else (f"withstood size {float(found.size[index]):.4g}")
    )
    heading = f"{found.before.labels[before]} → {found.before.labels[after]}"
    return Row(tiles, heading, note, (_SIDE * clean.shape[0] // clean.shape[1], _SIDE))


def _decided(scores: Scores, index: int) -> int:
    return int(scores.logits[index].argmax())


def _predictions(scores: Scores, index: int, most: int = 3) -> list[str]:
    probabilities = scores.probabilities[index]
    best = probabilities.argsort(descending=True)[:most].tolist()
    return [f"{float(probabilities[each]):.1%} {scores.labels[each]}" for each in best]
