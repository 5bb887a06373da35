"""The figure of Zeiler & Fergus (2014, figure 2): what excites a unit most, and what of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rlvis.display.numbers import written
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.tiles import Row, Tile
from rlvis.features.projection.backward import Projections, project
from rlvis.features.projection.figure import NAMES, SIDE, over_each_other
from rlvis.features.top_patches.result import Patches
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.progress import OnProgress, Progress, reporter
from rlvis.results import Result, Table

_MOST_UNITS = 5


@dataclass(frozen=True, repr=False, eq=False)
class ProjectedPatch:
    """A projection of one unit, and the image of the set that it is of.

    Attributes:
        number: of the image.
        title: what pictures call it.
        projection: of that unit and image alone.
    """

    number: int
    title: str
    projection: Projections


@dataclass(frozen=True, repr=False, eq=False)
class ProjectedPatches(Result):
    """The strongest patches of units, each projected back to pixels.

    Attributes:
        model, images: names of what they are of.
        rule: as for `project`.
        patches: unit after unit, those of a unit the strongest first.
    """

    model: str
    images: str
    rule: str
    patches: list[ProjectedPatch]

    def page(self) -> Page:
        """Layer after layer, units with their strongest patches, the projection under each."""
        tiles: dict[str, list[Tile]] = {}
        for each in self.patches:
            found = each.projection
            drawn = over_each_other(found.image, found.maps[0])
            shows = Shown(
                model=self.model,
                layer=found.layer,
                unit=int(found.units[0]),
                image=each.title,
                values={"": written(found.activations[0])},
                headed=("unit",),
            )
            heading = f"{found.layer}, unit {found.units[0]}"
            tiles.setdefault(heading, []).append(Tile(drawn, shows))
        lines = [
            f"the images of {self.images} that excite each unit most, cut to what the unit saw; "
            f"under each the {NAMES[self.rule]} of that one activation",
            "middle grey is 0, each projection on its own scale; the numbers are activations",
        ]
        size = 2 * SIDE + 4, SIDE
        rows = [Row(row, heading, tile=size) for heading, row in tiles.items()]
        return Page(f"What units of {self.model} answer to", lines, rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Layers, units, activations, images and projections (n, H', W', C)."""
        found = [each.projection for each in self.patches]
        return {
            "layers": np.array([each.layer for each in found]),
            "units": np.concatenate([each.units for each in found]),
            "activations": np.concatenate([each.activations for each in found]),
            "places": np.concatenate([each.places for each in found]),
            "images": np.array([each.number for each in self.patches]),
            "maps": np.concatenate([each.maps for each in found]),
        }

    def table(self) -> Table:
        """A row for each patch."""
        rows = [each.projection.table() for each in self.patches]
        return {
            **{name: [row[name][0] for row in rows] for name in rows[0]},
            "image": [each.number for each in self.patches],
            "title": [each.title for each in self.patches],
        }

    @property
    def summary(self) -> str:
        """The rule, the model and how many patches."""
        return f"{NAMES[self.rule]} of {self.model}, {len(self.patches)} patches of {self.images}"


def project_patches(
    model: ImageModel,
    found: Patches,
    units: Sequence[int] = (),
    rule: str = "deconvnet",
    *,
    on_progress: OnProgress | None = None,
) -> ProjectedPatches:
    """Project the strongest patches of units back to pixels.

    Args:
        model: that the patches were found for.
        found: with at most one patch per image.
        units: of each layer; the five with the strongest activations if left out.
        rule: as for `project`.
        on_progress: called after every patch; see `rlvis.progress`.

    Raises:
        InputError: if a unit does not exist, or the rule is not defined for the network.
    """
    require_image_model(model)
    report = reporter(on_progress)
    wanted = [
        (layer, int(unit), int(number))
        for layer, patches in found.layers.items()
        for unit in list(units) or np.argsort(-patches.values[:, 0])[:_MOST_UNITS].tolist()
        for number in patches.images[unit]
        if number >= 0
    ]
    projected = []
    for layer, unit, number in wanted:
        picture, context = found.images.picture(number), found.images.context([number])
        one = project(model, picture, layer, [unit], rule, context=context)
        projected.append(ProjectedPatch(number, found.images.title(number), one))
        report(Progress("projections", len(projected), len(wanted), "patches"))
    return ProjectedPatches(model.name, found.images.name, rule, projected)


def strongest_projections(
    model: ImageModel, found: Patches, units: Sequence[int] = (), rule: str = "deconvnet"
) -> Image.Image:
    """The page of `project_patches` as a picture."""
    return project_patches(model, found, units, rule).picture()
