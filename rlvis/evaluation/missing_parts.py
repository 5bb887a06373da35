"""The objects of a world that maps are not held against, and why."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from rlvis.errors import InputError
from rlvis.evaluation.answers import answer_of, mask_of
from rlvis.evaluation.changes import REMOVED, Changed, Without
from rlvis.evaluation.parts import Parts
from rlvis.evaluation.situations import Situations
from rlvis.rollouts.interventions import offered


def unheld(
    situations: Situations,
    changed: Changed | None,
    parts: Parts | None,
    given: Mapping[str, Without],
) -> list[str]:
    """The objects that maps are not held against, and why.

    Args:
        situations: the moments.
        changed: what was changed in them.
        parts: what maps are held against; None where that is windows.
        given: how the user takes objects away.
    """
    env = situations.world.environment
    held = set(parts.names) if parts is not None else set()
    found: list[str] = []
    if situations.offers("objects", "without"):
        assert changed is not None
        with suppress(InputError):  # told with what else the world refused
            missing = [each for each in answer_of(situations.at(0), "objects") if each not in held]
            found = _unseen(situations, changed, missing)
    elif not given and {"objects", "without"} <= set(offered(env)):
        found = ["objects: none can be removed, as the world cannot be set to a moment"]
    elif not given:
        found = ["objects: none can be removed; the world would need objects() and without(name)"]
    if parts is None:
        found.append("objects: maps are held against windows that are swapped with other images")
    return found


def _unseen(situations: Situations, changed: Changed, names: Sequence[str]) -> list[str]:
    """Why objects are no parts, without those of which the world's refusal is told."""
    removed = {each.subject for each in changed.changes if each.kind == REMOVED}
    hidden, found = [], []
    for name in names:
        if name in removed:
            found.append(f"{name}: object_mask() shows none of it, though without() takes it away")
        elif f"{name} {REMOVED}" in changed.refused.found:
            continue
        elif _masked(situations, name):
            found.append(f"{name}: without() shows it as before, though object_mask() shows it")
        else:
            hidden.append(name)
    return [*found, f"{', '.join(hidden)}: never in view in these moments"] if hidden else found


def _masked(situations: Situations, name: str) -> bool:
    """Whether the world's own mask of an object shows any of it in any moment."""
    if not situations.offers("object_mask"):
        return False
    shape = situations.images.shape[1:3]
    with suppress(InputError):
        return any(
            mask_of(situations.at(place), name, shape).any() for place in range(len(situations))
        )
    return False
