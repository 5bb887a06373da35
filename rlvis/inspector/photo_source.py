"""A classifier and photos: the likeliest labels of each, and a heatmap of each label."""

import itertools
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.attribution.engine import explain
from rlvis.attribution.registry import get_method
from rlvis.errors import InputError
from rlvis.images.loading import load_image
from rlvis.inspector.answers import Answers, Question
from rlvis.inspector.choices import layers_of, methods_of
from rlvis.inspector.maps import map_arrays, map_facts
from rlvis.models.image_model import ImageModel
from rlvis.models.targets import top

MOST_BYTES = 20_000_000
"""Of a photo that is sent."""

_KEPT = 32
_SHOWN = 512
_TOP = 5

Pack = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


class PhotoSource:
    """What the inspector shows of a classifier.

    Args:
        model: the classifier.
        photos: files to begin with; others are sent by the page.

    Raises:
        InputError: if one of them is no picture.
    """

    draws = False

    def __init__(self, model: ImageModel, photos: Sequence[Path] = ()) -> None:
        self._model = model
        self._given = [np.asarray(load_image(each)) for each in photos]
        self._sent: OrderedDict[int, np.ndarray] = OrderedDict()
        self._numbers = itertools.count(len(self._given))
        self._lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        """Which network, and what it can be asked."""
        return self._info

    def warm_up(self) -> None:
        """It draws nothing."""

    @cached_property
    def _info(self) -> dict[str, Any]:
        image = self._given[0] if self._given else np.zeros((224, 224, 3), np.uint8)
        return {
            "kind": "photo",
            "title": self._model.name,
            "model": self._model.name,
            "fingerprint": self._model.name,
            "actions": [],
            "methods": methods_of(self._model, image),
            "layers": layers_of(self._model, image),
            "targets": [],
            "labels": len(self._model.labels),
            "pictures": len(self._given),
        }

    def sent(self, content: bytes) -> int:
        """Keep a photo that was sent; its number.

        Raises:
            InputError: if it is no picture.
        """
        with tempfile.TemporaryDirectory(prefix="rlvis-") as folder:
            path = Path(folder) / "photo"
            path.write_bytes(content)
            try:
                picture = np.asarray(load_image(path))
            except InputError as error:
                raise InputError(str(error).replace(str(path), "the photo")) from None
        with self._lock:
            number = next(self._numbers)
            self._sent[number] = picture
            while len(self._sent) > _KEPT:
                self._sent.popitem(last=False)
        return number

    def explained(
        self, number: int, method: str, targets: Sequence[str], layer: str | None
    ) -> Pack:
        """A photo, and a heatmap of each target.

        Args:
            number: of the photo.
            method: by name.
            targets: as `rlvis.explain` takes them; the five likeliest labels when empty.
            layer: for methods that read one.

        Raises:
            InputError: if there is no such photo, method, target or layer.
        """
        picture = self._photo(number)
        asked: Any = list(targets) or top(min(_TOP, len(self._model.labels)))
        read = layer if get_method(method).reads_layer else None
        why = explain(self._model, picture, method, asked, layer=read)
        arrays, facts = map_arrays(why), map_facts(why)
        names = why.targets[0]
        return {
            "picture": _reduced(picture),
            "maps": arrays["maps"][0],
            "scale": arrays["scale"][0],
        }, {
            **facts,
            "labels": names,
            "probability": self._probabilities(picture, names),
            "score": why.scores[0],
            "notes": facts["notes"][0],
            "size": list(picture.shape[:2]),
            "id": number,
        }

    def _photo(self, number: int) -> np.ndarray:
        if 0 <= number < len(self._given):
            return self._given[number]
        with self._lock:
            if number not in self._sent:
                raise InputError(f"no photo {number} is kept; send it again")
            return self._sent[number]

    def _probabilities(self, picture: np.ndarray, names: Sequence[str]) -> list[float | None]:
        logits = self._model.scores(picture).logits.float().cpu()
        shares = self._model.distribution.probabilities(logits)[0]
        known = {name: float(share) for name, share in zip(self._model.labels, shares, strict=True)}
        return [known.get(name) for name in names]


def photo_routes(source: PhotoSource, answers: Answers) -> list[Any]:
    """The routes of a classifier."""

    def explained(of: Question, number: int) -> Pack:
        method, layer = of.query.get("method", "grad-cam"), of.query.get("layer") or None
        targets = [each for each in of.query.getlist("target") if each]
        return source.explained(number, method, targets, layer)

    return [
        answers.pack("/api/photo/{number:int}", lambda of: explained(of, of.path["number"])),
        answers.pack(
            "/api/photo",
            lambda of: explained(of, source.sent(of.body)),
            posted=True,
            most=MOST_BYTES,
        ),
    ]


def _reduced(picture: np.ndarray) -> np.ndarray:
    """A picture at most 512 pixels high and wide."""
    shown = Image.fromarray(picture)
    shown.thumbnail((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    return np.asarray(shown)
