"""Beside a synthesized image: what excites the same objective most in real ones."""

import torch

from rlvis.deprecation import DONE, renamed_parameters
from rlvis.display.numbers import written
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.errors import InputError
from rlvis.features.image_sets.batches import BatchReader
from rlvis.features.image_sets.image_pass import ImagePass
from rlvis.features.image_sets.image_set import ImageSet
from rlvis.features.synthesis.network import ObjectiveNetwork
from rlvis.features.synthesis.objectives import Objective, parse
from rlvis.features.top_patches.layer_patches import unit_tiles
from rlvis.features.top_patches.search import patches
from rlvis.images.frames import latest
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.progress import OnProgress

_SIDE = 124


@renamed_parameters(on_batch=DONE)
def strongest(
    model: ImageModel,
    images: ImageSet,
    objective: str | Objective,
    count: int = 9,
    *,
    batch_size: int = 64,
    skipped: dict[int, str] | None = None,
    on_progress: OnProgress | None = None,
) -> Row:
    """What excites an objective most in a set of images, the strongest first.

    Of a unit these are its strongest patches, cut out along its receptive field, each with the
    unit's activation there; of anything else whole images, each with the objective's value.

    Args:
        model: whose objective.
        images: the set; one pass over it.
        objective: as for `synthesize`.
        count: how many, if the set has as many.
        batch_size: how many images go through the network at once.
        skipped: takes the errors of the images that could not be read, by number.
        on_progress: called after every batch; see `rlvis.progress`.

    Raises:
        InputError: if a label or layer does not exist, or no image can be read.
    """
    require_image_model(model)
    wanted = parse(objective, model) if isinstance(objective, str) else objective
    skipped = {} if skipped is None else skipped
    count = min(count, len(images))
    if wanted.unit is not None:
        layer, unit = wanted.unit
        found = patches(
            model, images, [layer], count, batch_size=batch_size, on_progress=on_progress
        )
        skipped.update(found.skipped)
        tiles = unit_tiles(images, found.layers[layer], unit, count)
        note = f"the patches of {images.name} that excite it most, with its activation"
        return Row(tiles, "", note, (_SIDE, _SIDE))
    reading = BatchReader(images, model, batch_size, skipped=skipped)
    work = ImagePass("real images", reading, None, False, on_progress)
    best: list[tuple[float, int]] = []
    for batch in reading:
        network = ObjectiveNetwork(model, wanted, batch.context)
        with torch.no_grad():
            values = network(batch.inputs).tolist()
        best = sorted([*best, *zip(values, batch.indices.tolist(), strict=True)], reverse=True)
        best = best[:count]
        work.after(batch, dict)
    if not best:
        raise InputError(f"none of the {len(images)} images of {images.name} could be read")
    tiles = [
        Tile(
            latest(images.picture(index)),
            Shown(model=model.name, image=images.title(index), values={"": written(value)}),
        )
        for value, index in best
    ]
    note = f"the images of {images.name} that excite it most, with its value"
    highest = max(tile.picture.shape[0] / tile.picture.shape[1] for tile in tiles)
    return Row(tiles, "", note, (round(_SIDE * min(highest, 1)), _SIDE))
