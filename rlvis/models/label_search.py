"""Labels by part of their name."""

import re
from collections.abc import Sequence

from rlvis.errors import InputError, unknown
from rlvis.models.image_model import ImageModel, require_image_model


def find_labels(model: ImageModel, part: str = "") -> list[tuple[int, str]]:
    """The labels of a model that have a part in their name, each with its index.

    Those that have it as whole words come first ("cat" finds "Egyptian cat" and "tabby, tabby
    cat"), then those with words that begin with it ("cattle"), then all others ("bobcat").

    Args:
        model: whose labels are looked through.
        part: any part, case apart; all labels if left out.

    Raises:
        InputError: if there is none; the closest are offered.
    """
    require_image_model(model)
    found = matching(model.labels, part)
    if not found:
        raise unknown("label with", part, model.labels)
    return found


def matching(labels: Sequence[str], part: str) -> list[tuple[int, str]]:
    """As `find_labels`, of labels; none where there is none."""
    wanted = re.escape(part.strip())
    patterns = [rf"\b{wanted}\b", rf"\b{wanted}", wanted] if wanted else [""]
    by_closeness = [
        [each for each in enumerate(labels) if re.search(pattern, each[1], re.IGNORECASE)]
        for pattern in patterns
    ]
    return list(dict.fromkeys(each for group in by_closeness for each in group))


def unknown_label(label: str, labels: Sequence[str], others: Sequence[str] = ()) -> InputError:
    """The error for a target that is no label: those that have it in their name, else the closest.

    Args:
        label: what was asked for.
        labels: those there are.
        others: what else would have done.
    """
    containing = [name for _, name in matching(labels, label)][:3]
    if containing:
        error = f"no target {label!r}; did you mean " + " or ".join(map(repr, containing)) + "?"
    else:
        error = str(unknown("target", label, [*labels, *others]))
    return InputError(f"{error} (`rlvis labels` finds them by part of their name)")
