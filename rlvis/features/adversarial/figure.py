"""The picture of an attack: what was seen, what was changed, and where the network looked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import resize_maps
from rlvis.display.matrix import matrix
from rlvis.display.overlay import STRONGEST, grey, limit, overlay
from rlvis.display.page import Row, Tile, save_picture, sheet
from rlvis.features.adversarial.attacks import Attack, AttackedPolicy
from rlvis.files import save_arrays
from rlvis.models.image_model import ImageModel, Scores
from rlvis.models.pixels import as_picture

_SIDE, _CELL = 232, 64


def attack_picture(
    model: ImageModel, found: Sequence[Attack], method: str | None = None
) -> Image.Image:
    """Original, change, result and the attribution before and after, a row per image.

    Args:
        model: what was attacked.
        found: by `attack` or `smallest_attack`, all in the same way.
        method: of attribution; grad-cam if left out.
    """
    method = method or "grad-cam"
    rows = [_row(model, each, index, method) for each in found for index in range(len(each.clean))]
    turned = sum(int(each.success.sum()) for each in found)
    first = found[0]
    which = "the smallest change that does, found by halving" if first.smallest else "a fixed size"
    lines = [f"{_how(first)}, {which}; {turned} of {len(rows)} turned", _drawn(method, first)]
    return sheet(f"{model.name} under attack", lines, rows)


def evaluation_picture(
    policy: AttackedPolicy,
    outcomes: Mapping[str, Mapping[str, float]],
    lines: Sequence[str],
    method: str | None = None,
) -> Image.Image:
    """How a policy does under attack: shares before and after, and some frames that were turned.

    Args:
        policy: that was evaluated.
        outcomes: shares 0..1 by name, by how the policy was evaluated.
        lines: more of what came out.
        method: of attribution; grad-cam if left out.
    """
    method = method or "grad-cam"
    names = list(next(iter(outcomes.values())))
    shares = np.array([[each[name] for name in names] for each in outcomes.values()])
    table = matrix(shares, list(outcomes), names, _CELL, lambda share: f"{share:.0%}")
    examples = [_row(policy, each, 0, method) for each in policy.examples]
    about = [
        f"{policy.frames_turned / max(policy.frames_seen, 1):.0%} of {policy.frames_seen} frames "
        "attacked made it prefer another action",
        *([_how(policy.examples[0]), _drawn(method, policy.examples[0])] if examples else []),
    ]
    rows = [Row([Tile(table)], "Success and actions", tile=table.shape[:2], grows=False), *examples]
    return sheet(f"{policy.name} in every frame", [*lines, *about], rows)


def _how(found: Attack) -> str:
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


def _drawn(method: str, found: Attack) -> str:
    latest = "; of stacked frames the latest" if found.clean.shape[1] not in (1, 3) else ""
    return (
        f"changes are drawn amplified round middle grey; {method} of the label that was decided "
        f"for, one scale for both pictures of a row, whose full colour is their {STRONGEST:.1%} "
        f"quantile{latest}"
    )


def _sized(size: float, norm: str) -> str:
    return f"{size * 255:.3g} of 255" if norm == "linf" else f"{size:.3g}"


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
                f"change × {_rounded(0.5 / most)}" if most else "no change",
                f"L∞ {_sized(most, 'linf')}",
                f"L2 {_sized(float(change.norm()), 'l2')}",
            ],
        ),
        Tile(attacked, ["attacked", *_predictions(found.after, index)]),
    ]
    for picture, each, label in zip((clean, attacked), explained, (before, after), strict=True):
        height, width = picture.shape[:2]
        heat, notes = each.maps[0, 0], each.notes[0][0]
        resized = resize_maps(heat[None, None], height, width)[0, 0]
        caption = [f"why {found.before.labels[label]}", *notes]
        ground = grey(picture)
        drawn = overlay(ground, resized * (not notes), most_heat, signed)
        tiles.append(Tile(drawn, caption))
    turned = bool(found.success[index])
    how = ("turned by" if found.smallest else "turned within") if turned else "withstood"
    note = f"{how} {_sized(float(found.size[index]), found.norm)}"
    heading = f"{found.before.labels[before]} → {found.before.labels[after]}"
    return Row(tiles, heading, note, (_SIDE * clean.shape[0] // clean.shape[1], _SIDE))


def _rounded(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"


def _decided(scores: Scores, index: int) -> int:
    return int(scores.logits[index].argmax())


def _predictions(scores: Scores, index: int, most: int = 3) -> list[str]:
    probabilities = scores.probabilities[index]
    best = probabilities.argsort(descending=True)[:most].tolist()
    return [f"{float(probabilities[each]):.1%} {scores.labels[each]}" for each in best]
