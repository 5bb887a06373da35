"""A classifier and photos: the likeliest labels of each, and a heatmap of each label."""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rlvis.attribution.explanation import Explanations
from rlvis.attribution.panel_parts import score_words
from rlvis.errors import InputError
from rlvis.evaluation.audit_files import AuditFile
from rlvis.images.loading import load_image
from rlvis.inspector.album import Album, Place, Seen, SeenImages
from rlvis.inspector.answers import Answers, Question
from rlvis.inspector.audited import audit_routes, told_of
from rlvis.inspector.choices import layers_of, methods_of
from rlvis.inspector.maps import explain_seen, first_facts, map_arrays, still_of
from rlvis.inspector.unit_questions import unit_routes
from rlvis.models.image_model import ImageModel
from rlvis.models.targets import top
from rlvis.rollouts.recorded_policy import fingerprint

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
        audit: of the classifier.

    Raises:
        InputError: if one of them is no picture, or the audit is of another network.
    """

    draws = False

    def __init__(
        self, model: ImageModel, photos: Sequence[Path] = (), *, audit: AuditFile | None = None
    ) -> None:
        self.model, self.audit = model, audit
        if audit is not None:
            audit.check_of(model.name, fingerprint(model))
        self._given = [np.asarray(load_image(each)) for each in photos]
        given: dict[Place, Seen] = {
            (number, 0): (each, {}) for number, each in enumerate(self._given)
        }
        self._album = Album("the photos", _KEPT, given)
        self._numbers = itertools.count(len(self._given))

    def info(self) -> dict[str, Any]:
        """Which network, and what it can be asked."""
        return self._info

    def warm_up(self) -> None:
        """It draws nothing."""

    def seen(self, place: Place) -> Seen:
        """A photo by its number and 0."""
        return self._album.at(place)

    def images(self) -> SeenImages:
        """All photos that are kept."""
        return self._album.images()

    @cached_property
    def _info(self) -> dict[str, Any]:
        image = self._given[0] if self._given else np.zeros((224, 224, 3), np.uint8)
        return {
            "kind": "photo",
            "title": self.model.name,
            "model": self.model.name,
            "fingerprint": self.model.name,
            "actions": [],
            **told_of(self.audit, methods_of(self.model, image)),
            "layers": layers_of(self.model, image),
            "targets": [],
            "labels": len(self.model.labels),
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
        number = next(self._numbers)
        self._album.keep((number, 0), (picture, {}))
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
        picture, _ = self.seen((number, 0))
        (why,) = self._explain(number, [method], targets, layer).values()
        arrays, names = map_arrays(why), why.targets[0]
        return {
            "picture": _reduced(picture),
            "maps": arrays["maps"][0],
            "scale": arrays["scale"][0],
        }, {
            **first_facts(why),
            "labels": names,
            "probability": why.target_probabilities[0],
            "words": [score_words(why, 0, column)[0] for column in range(len(names))],
            "score": why.scores[0],
            "size": list(picture.shape[:2]),
            "id": number,
        }

    def still(
        self, number: int, methods: Sequence[str], targets: Sequence[str], layer: str | None
    ) -> bytes:
        """The maps of a photo by some methods as one picture, a PNG; see `explained`."""
        return still_of(self._explain(number, methods, targets, layer))

    def _explain(
        self, number: int, methods: Sequence[str], targets: Sequence[str], layer: str | None
    ) -> Explanations:
        asked: Any = list(targets) or top(min(_TOP, len(self.model.labels)))
        return explain_seen(self.model, self.seen((number, 0)), methods, asked, layer)


def photo_routes(source: PhotoSource, answers: Answers) -> list[Any]:
    """The routes of a classifier."""

    def explained(of: Question, number: int) -> Pack:
        method, layer = of.query.get("method", "grad-cam"), of.query.get("layer") or None
        targets = [each for each in of.query.getlist("target") if each]
        return source.explained(number, method, targets, layer)

    def still(of: Question) -> tuple[bytes, str]:
        methods, layer = of.query.getlist("method"), of.query.get("layer") or None
        targets = [each for each in of.query.getlist("target") if each]
        return source.still(of.whole("episode"), methods, targets, layer), "image/png"

    return [
        *unit_routes(source, answers),
        *audit_routes(source.audit, answers),
        answers.of("/api/still", still),
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
