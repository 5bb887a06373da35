"""Beside a synthesized image: the real ones that excite the same objective most."""

from collections.abc import Callable

import torch

from rlvis.display.sheet import Tile
from rlvis.features.image_set import ImageSet, Reading
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import Objective, parse
from rlvis.frames import picture_of, stacked
from rlvis.model import ImageModel


def strongest(
    model: ImageModel,
    images: ImageSet,
    objective: str | Objective,
    count: int = 9,
    *,
    batch_size: int = 64,
    on_batch: Callable[[], None] | None = None,
) -> list[Tile]:
    """The images of a set with the largest values of an objective, as tiles, the largest first.

    Args:
        model: whose objective.
        images: the set; one pass over it.
        objective: as for `synthesize`.
        count: how many.
        batch_size: how many images go through the network at once.
        on_batch: called after every batch.

    Raises:
        InputError: if a label or layer does not exist.
    """
    wanted = parse(objective, model) if isinstance(objective, str) else objective
    best: list[tuple[float, int]] = []
    for batch in Reading(images, model, batch_size):
        network = ObjectiveNetwork(model, wanted, batch.context)
        with torch.no_grad():
            values = network(batch.inputs).tolist()
        best = sorted([*best, *zip(values, batch.indices.tolist(), strict=True)], reverse=True)
        best = best[:count]
        if on_batch:
            on_batch()
    return [
        Tile(
            picture_of(picture, stacked(picture.shape[-1])),
            [f"{value:.3g}", images.title(index)],
        )
        for value, index in best
        for picture in [images.picture(index)]
    ]
