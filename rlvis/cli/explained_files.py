"""What `rlvis explain` writes: a panel or overlays of each picture, and files about all of them."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.cli.loading import refuse_unused
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.array_spool import ArraySpool
    from rlvis.attribution.explanation import Explanation, Explanations
    from rlvis.attribution.predictions import Prediction
    from rlvis.images.paths import PicturePath


@dataclass(frozen=True)
class Outputs:
    """What is written.

    Attributes:
        out: the panel to write (.png, .jpg, .webp, .pdf, .html), or a folder for several;
            NAME-explained.png when left out, in the folder "explained" where a folder is explained.
        panels: write a panel, or overlays, of each picture; --no-panels leaves them out.
        scale: what full strength stands for: row (the most of a method's maps), cell (of each map)
            or a number.
        overlay: in place of panels write each map alone over its picture, at the picture's own
            resolution and without words.
        colormap: the colours of overlays: heat, amber-blue, turbo, viridis, magma or red-blue.
        opacity: of the strongest heat in overlays, 0 to 1.
        data: write the maps, scores and names of all pictures (.npz, .safetensors).
        table: write what the network predicts for each picture (.csv); where folders are classes
            mistakes come first, the most confident ones at the top.
        index: write a page (.html) of all pictures that leads to their panels, in the order of the
            table.
    """

    out: Path | None = None
    panels: bool = True
    scale: str = "row"
    overlay: bool = False
    colormap: str | None = None
    opacity: float | None = None
    data: Path | None = None
    table: Path | None = None
    index: Path | None = None

    def check(self) -> None:
        """Whether the options go together and the files can be written.

        Raises:
            InputError: if not.
        """
        from rlvis.display.colormaps import check_colormap
        from rlvis.file_kinds import check_savable

        if not self.overlay:
            where = "without --overlay"
            refuse_unused(where, colormap=self.colormap, opacity=self.opacity is not None)
        check_colormap(self.colormap, **self._opacity)
        if not self.panels:
            refuse_unused("beside --no-panels", overlay=self.overlay, out=self.out)
            if not (self.data or self.table or self.index):
                raise InputError("--no-panels needs --table, --index or --data, or nothing is left")
        if self.data is not None:
            check_savable(self.data, ("arrays",))
        if self.table is not None:
            check_savable(self.table, ("table",))
        if self.index is not None:
            check_savable(self.index, ("html", "picture"))

    @property
    def _opacity(self) -> dict[str, float]:
        return {} if self.opacity is None else {"opacity": self.opacity}

    def paths(self, pictures: "Sequence[PicturePath]") -> list[Path]:
        """The file of each picture's panel: NAME-explained.png, numbered where names repeat.

        Raises:
            InputError: if one cannot be written.
        """
        from rlvis.attribution.explanation import Explanation
        from rlvis.file_kinds import check_savable

        nested = any(each.within != Path() or each.of_folder for each in pictures)
        single = len(pictures) == 1 and not nested
        if self.out is not None and single and not os.path.isdir(self.out):
            paths = [self.out]
        else:
            base = self.out or Path("explained" if nested else "")
            seen = Counter[Path]()
            paths = []
            for each in pictures:
                place = base / each.within / each.path.stem
                seen[place] += 1
                number = f"-{seen[place]}" if seen[place] > 1 else ""
                paths.append(place.with_name(f"{place.name}-explained{number}.png"))
        contents = ("picture",) if self.overlay else Explanation.contents()
        for path in {path.parent: path for path in paths}.values() if self.panels else ():
            check_savable(path, contents)
        return paths


@dataclass
class ExplainedFiles:
    """Writes the files of one picture after the other, and in the end those of all.

    Attributes:
        outputs: what is wanted.
        scale: what full strength stands for.
        label_of: the index of the label that a picture has, None where it has none.
        spool: what keeps the data until all pictures are explained.
    """

    outputs: Outputs
    scale: Any
    label_of: "Callable[[PicturePath], int | None]"
    spool: "ArraySpool"
    _rows: "list[Prediction]" = field(default_factory=list)

    def add(self, picture: "PicturePath", path: Path, found: "Explanations") -> list[Path]:
        """Write what belongs to one picture, and note the rest.

        Args:
            picture: what was explained.
            path: of its panel.
            found: N = 1, by method.

        Returns:
            What was written.
        """
        from rlvis.attribution.predictions import Prediction

        first = next(iter(found.values()))
        if self.outputs.data is not None:
            self.spool.append(**_arrays(picture.path, found))
        written = self._pictures(path, found) if self.outputs.panels else []
        index = self.outputs.index
        link = os.path.relpath(written[0], index.parent) if index and written else ""
        self._rows.append(
            Prediction.of(
                str(picture.path), first, self.label_of(picture), link, thumbnail=index is not None
            )
        )
        return written

    @property
    def last(self) -> "Prediction":
        """What was said of the picture added last."""
        return self._rows[-1]

    def finish(self, model: str, labels: Sequence[str]) -> tuple[list[Path], str]:
        """Write the files about all pictures; what was written, and how many were correct."""
        import numpy as np

        from rlvis.attribution.predictions import Predictions

        predictions, outputs = Predictions(model, self._rows), self.outputs
        written = [predictions.save(path) for path in (outputs.table, outputs.index) if path]
        if outputs.data is not None and self._rows:
            written.append(self.spool.save(outputs.data, labels=np.array(labels)))
        return written, predictions.accuracy

    def _pictures(self, path: Path, found: "Explanations") -> list[Path]:
        if not self.outputs.overlay:
            return [found.save(path, self.scale)]
        return [
            each
            for name, explanation in found.items()
            for each in self._overlays(path, name if len(found) > 1 else "", explanation)
        ]

    def _overlays(self, path: Path, method: str, explanation: "Explanation") -> list[Path]:
        from PIL import Image

        from rlvis.file_kinds import save_picture

        drawn = explanation.overlay(
            colormap=self.outputs.colormap, scale=self.scale, **self.outputs._opacity
        )[0]
        names = explanation.targets[0] if len(drawn) > 1 else [""]
        return [
            save_picture(Image.fromarray(each), path.with_name(_name(path, method, name)))
            for name, each in zip(names, drawn, strict=True)
        ]


def _name(path: Path, *parts: str) -> str:
    """The file's name with parts that tell it from others, as far as names of files go."""
    plain = [re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in parts if part]
    return "-".join([path.stem, *plain]) + path.suffix


def _arrays(path: Path, found: "Explanations") -> "dict[str, Any]":
    """What a file of data holds of a picture, rows (1, …) each."""
    import numpy as np

    first = next(iter(found.values()))
    maps = {
        "maps" if len(found) == 1 else f"maps/{name}": each.maps for name, each in found.items()
    }
    return {
        "pictures": np.array([str(path)]),
        "targets": np.array(first.targets),
        "scores": first.scores,
        "logits": first.logits,
        "probabilities": first.probabilities,
        **maps,
    }
