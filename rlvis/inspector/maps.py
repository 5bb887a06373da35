"""Maps of what a network was shown: made, and on their way to the page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanation, Explanations
from rlvis.attribution.registry import get_method
from rlvis.images.places import Places
from rlvis.images.preprocess import Window
from rlvis.inspector.album import Seen
from rlvis.inspector.unit_networks import explain_unit, is_unit
from rlvis.inspector.wire import quantised
from rlvis.models.image_model import ImageModel
from rlvis.models.targets import TargetLike


def explain_seen(
    model: ImageModel,
    seen: Seen,
    methods: Sequence[str],
    targets: Sequence[TargetLike],
    layer: str | None = None,
    taken: int | None = None,
) -> Explanations:
    """Why a network says what it does of an image, by each of some methods.

    Args:
        model: the network.
        seen: the image.
        methods: by name.
        targets: as `rlvis.explain` takes them, or one "unit:layer:number".
        layer: for methods that read one.
        taken: the score that "chosen" means, None where there is none.

    Raises:
        InputError: if there is no such method, target or layer.
    """
    image, context = seen[0][None], seen[1]
    if any(map(is_unit, targets)):
        return Explanations(
            (each, explain_unit(model, image, context, each, targets, layer)) for each in methods
        )
    options: dict[str, Any] = {"context": context} if context else {}
    if layer is not None and any(get_method(each).reads_layer for each in methods):
        options["layer"] = layer
    if taken is not None:
        options["taken"] = np.array([taken])
    return explain(model, image, methods=list(methods), target=list(targets), **options)


def columns_of(why: Explanation, columns: Sequence[int]) -> Explanation:
    """The maps of some of the targets, by number."""
    per_target: dict[str, Any] = {
        name: tuple(getattr(why, name)[each] for each in columns)
        for name in ("units", "score_units", "adds_up", "places")
        if getattr(why, name)
    }
    return replace(
        why,
        maps=why.maps[:, columns],
        scores=why.scores[:, columns],
        targets=[[names[each] for each in columns] for names in why.targets],
        **per_target,
    )


def map_arrays(why: Explanation) -> dict[str, np.ndarray]:
    """Maps as bytes (n, T, h, w), and what 127 stands for in each."""
    count, columns = why.maps.shape[:2]
    levels, scale = quantised(why.maps.reshape(-1, *why.maps.shape[2:]))
    return {"maps": levels.reshape(why.maps.shape), "scale": scale.reshape(count, columns)}


def map_facts(why: Explanation) -> dict[str, Any]:
    """What maps are of; targets, scores and notes for each image, units for each target."""
    return {
        "method": why.method,
        "signed": why.signed,
        "layer": why.layer,
        "targets": why.targets,
        "scores": why.scores,
        "notes": why.notes,
        "units": why.map_units,
        "caveat": why.caveat,
        "window": window_facts(why.window, why.places),
    }


def window_facts(window: Window, places: Sequence[Places]) -> dict[str, Any]:
    """The part of a picture that maps lie over, and where in it each target's cells look."""
    return {**window.__dict__, "places": [each.record() for each in places]}


def first_facts(why: Explanation) -> dict[str, Any]:
    """What the maps of the first image are of."""
    told = map_facts(why)
    return {**told, **{name: told[name][0] for name in ("targets", "scores", "notes")}}


def still_of(found: Mapping[str, Explanation]) -> bytes:
    """The panel of maps of an image by several methods, a PNG."""
    buffer = BytesIO()
    Explanations(found.items()).page().picture().save(buffer, "PNG")
    return buffer.getvalue()
