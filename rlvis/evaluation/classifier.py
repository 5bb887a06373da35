"""The audit of a classifier: everything that needs no simulator.

Two cubes are put over each picture, and taken away again one at a time: what the network does then
is known, and their masks are exact. Where the user gives masks, what is under them counts as what
maps should point at.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rlvis.errors import InputError
from rlvis.evaluation.audit_result import Audit
from rlvis.evaluation.changes import REMOVED
from rlvis.evaluation.effects import effect_of
from rlvis.evaluation.estimates import NOTHING
from rlvis.evaluation.findings import Moved
from rlvis.evaluation.maps import MapAudit
from rlvis.evaluation.method_pool import check_processes, processor_seconds
from rlvis.evaluation.parts import Parts, audited_targets, losses
from rlvis.evaluation.plan import AuditPlan
from rlvis.evaluation.planted_cubes import place_cube
from rlvis.evaluation.scored_methods import ScoredMethods, digest_of, refusals
from rlvis.evaluation.situations import Pictures
from rlvis.evaluation.verdicts import verdict
from rlvis.evaluation.windows import scan_windows
from rlvis.features.image_sets.image_set import ImageSet, open_images
from rlvis.images.loading import load_image
from rlvis.images.paths import ENDINGS
from rlvis.images.preprocess import Preprocess
from rlvis.models.image_model import ImageModel, require_image_model
from rlvis.models.score_kinds import require_choice, require_probabilities
from rlvis.progress import OnProgress, reporter
from rlvis.rollouts.recorded_policy import fingerprint

CUBE, OBJECT = "a cube", "the object"
_SIDE = 224
_SCANNED = 24
_HALVES = ((0.0, 0.5), (0.5, 1.0))


def audit_classifier(
    model: ImageModel,
    images: str | Path | ImageSet,
    *,
    masks: str | Path | None = None,
    plan: AuditPlan | None = None,
    seed: int = 0,
    keep: str | Path | None = None,
    resume: bool = False,
    processes: int = 1,
    on_progress: OnProgress | None = None,
) -> Audit:
    """Find out which maps of a classifier can be believed.

    Args:
        model: any image model.
        images: pictures to put cubes over, a folder or what else image sets are; the first
            `plan.frames` of them, seen as the model sees them.
        masks: a folder of pictures of the same names and sizes, white where maps should point; it
            may hold some only.
        plan: how thorough; 300 pictures and every method when left out.
        seed: of the cubes.
        keep: a file (.json) in which the methods that are done are kept.
        resume: go on from that file.
        processes: as of `rlvis.audit`.
        on_progress: see `rlvis.progress`.

    Raises:
        InputError: if there are fewer than 12 pictures, they are too small for two cubes, or masks
            do not fit them.
    """
    require_image_model(model)
    check_processes(processes, model)
    if len(model.labels) < 2:
        raise InputError(f"{model.name} has one label, and nothing to prefer it to")
    plan, report, start = plan or AuditPlan(), reporter(on_progress), processor_seconds()
    opened = open_images(images) if isinstance(images, (str, Path)) else images
    plain = _pictures(model, opened, plan.frames)
    model = _understood(model, plain)
    asked = [None] * len(plain) if masks is None else _masks(model, Path(masks), opened, len(plain))
    pictures, parts, without = _planted(model, plain, asked, seed)
    targets = audited_targets(model, not np.isnan(pictures.values).any())
    scored = ScoredMethods(
        {"policy": model.name, "quick": plan.quick, "maps": digest_of(parts)}, keep, resume
    )
    work = MapAudit(pictures, parts, list(targets), thorough=not plan.quick)
    with scored.kept():
        methods = [*work.baselines(), *scored.of(plan.named, work, processes, report)]
    moved = _moved(pictures, parts, without)
    blind = [each for each in methods if each.baseline]
    first = next(iter(targets))
    found = Audit(
        model.name,
        f"{len(plain)} pictures of {opened.name}",
        model.labels,
        len(plain),
        len(plain),
        NOTHING,
        moved,
        list(targets),
        [each for each in methods if each.targets],
        {each.method: verdict(each, first, blind) for each in methods if not each.baseline},
        pictures.images[work.example],
        None,
        [],
        {},
        [],
        [],
        scan_windows(pictures.first(_SCANNED), on_progress=report),
        pictures.images.mean(axis=0).round().astype(np.uint8),
        [*_unmasked(asked), *refusals(methods)],
        of_pictures=True,
        fingerprint=fingerprint(model),
        parts=parts.told,
    )
    scored.remove()
    return found.timed(processor_seconds() - start)


def _understood(model: ImageModel, plain: np.ndarray) -> ImageModel:
    """The model, with what kind of scores it gives.

    Raises:
        InputError: if they are not those of one choice.
    """
    kind = model.scores(plain[:1]).kind
    require_choice(kind, "an audit")
    require_probabilities(kind, "an audit")
    return model if model.kind is not None else model.with_changes(kind=kind)


def _pictures(model: ImageModel, opened: ImageSet, most: int) -> np.ndarray:
    """The first pictures as the model sees them, uint8 (N, H, W, 3)."""
    count = min(most, len(opened))
    if count < 12:
        raise InputError(f"{opened.name} holds {count} pictures; an audit needs 12 at least")
    return np.stack([_seen(model, opened.picture(index)) for index in range(count)])


def _seen(model: ImageModel, picture: np.ndarray) -> np.ndarray:
    """What a model sees of a picture, uint8 (h, w, 3), before colours are normalised."""
    import torch

    given = model.preprocess if isinstance(model.preprocess, Preprocess) else Preprocess()
    size = given.size or (_SIDE, _SIDE)
    shown = np.repeat(picture[..., :1], 3, axis=-1) if picture.shape[-1] < 3 else picture[..., :3]
    tensor = torch.from_numpy(shown.copy()).permute(2, 0, 1)[None]
    window = Preprocess(size, given.crop, resample=given.resample, squash=given.squash)
    return (window(tensor)[0].permute(1, 2, 0) * 255).round().byte().numpy()


def _masks(
    model: ImageModel, folder: Path, opened: ImageSet, count: int
) -> list[np.ndarray | None]:
    """The mask of each of the first pictures, bool (H, W), by its name without the ending.

    Raises:
        InputError: if there is none, one has no picture, or another size than its picture.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give one of masks named as the pictures are")
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS]
    known = {path.stem: path for path in pictures}
    names = [Path(opened.title(index).split(": ")[-1]).stem for index in range(len(opened))]
    if not set(known) & set(names):
        raise InputError(f"{folder} holds no mask of any of the pictures, such as {names[0]}.png")
    if unknown := sorted(set(known) - set(names)):
        raise InputError(
            f"{known[unknown[0]]} is the mask of no picture; name it as its picture, such as "
            f"{names[0]}, or take it away"
        )
    found = [
        _mask(model, known[name], opened.picture(index)) if name in known else None
        for index, name in enumerate(names[:count])
    ]
    if not any(each is not None and each.any() for each in found):
        raise InputError(
            f"the masks in {folder} are black, or of none of the first {count} pictures; they must "
            "be white where maps should point"
        )
    return found


def _mask(model: ImageModel, path: Path, picture: np.ndarray) -> np.ndarray:
    """What is more than half as bright as the brightest of a mask, bool (H, W)."""
    given = np.asarray(load_image(path).convert("L"))
    if given.shape != picture.shape[:2]:
        (down, across), (high, wide) = given.shape, picture.shape[:2]
        raise InputError(
            f"{path} has {across} × {down} pixels, and its picture {wide} × {high}; a mask needs "
            "the size of its picture"
        )
    white = np.where(given > given.max() / 2, np.uint8(255), np.uint8(0))
    return _seen(model, white[..., None])[..., 0] > 127


def _unmasked(masks: Sequence[np.ndarray | None]) -> list[str]:
    """Of how many pictures it is not known where maps should point, where it is of some."""
    count = sum(each is not None and bool(each.any()) for each in masks)
    if count in (0, len(masks)):
        return []
    return [f"{OBJECT}: {len(masks) - count} of {len(masks)} pictures have no mask, or a black one"]


def _planted(
    model: ImageModel, plain: np.ndarray, asked: Sequence[np.ndarray | None], seed: int
) -> tuple[Pictures, Parts, tuple[np.ndarray, np.ndarray]]:
    """The pictures with two cubes each, their parts, and the answers without each part."""
    lot = np.random.default_rng(seed)
    order = lot.permutation(len(plain))
    donors = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    images, places, masks, without, names = [], [], [], [], []
    for place, picture in enumerate(plain):
        alone = [place_cube(picture, lot, half) for half in _HALVES]
        both = alone[0][0].copy()
        both[alone[1][1]] = alone[1][0][alone[1][1]]
        images.append(both)
        for cube, other in ((alone[0], alone[1]), (alone[1], alone[0])):
            places.append(place)
            masks.append(cube[1])
            without.append(other[0])
            names.append(CUBE)
        given = asked[place]
        if given is not None and given.any():
            donor = plain[donors[place]]
            places.append(place)
            masks.append(given)
            without.append(np.where(given[..., None], donor, both))
            names.append(OBJECT)
    groups, of = np.arange(len(plain)), np.array(places)
    blank = Pictures(model, np.stack(images), {}, np.empty(0), np.empty(0), groups)
    logits, values = blank.scores(blank.images, groups)
    pictures = Pictures(model, blank.images, {}, logits, values, groups)
    answers = pictures.scores(np.stack(without), of)
    targets = audited_targets(model, not np.isnan(values).any())
    parts = Parts(
        pictures.images,
        groups,
        names,
        of,
        np.stack(masks),
        losses(model, list(targets.values()), (logits[of], values[of]), answers),
        np.stack(without),
        np.array([name == OBJECT for name in names]),
        "cubes taken away" + (f" and {OBJECT} swapped with another picture" * (OBJECT in names)),
    )
    return pictures, parts, answers


def _moved(pictures: Pictures, parts: Parts, answers: tuple[np.ndarray, np.ndarray]) -> list[Moved]:
    found = []
    for name in dict.fromkeys(parts.names):
        of = np.flatnonzero(np.array(parts.names) == name)
        effect = effect_of(
            (name, REMOVED),
            pictures,
            parts.places[of],
            (answers[0][of], answers[1][of]),
            parts.sizes[of] / parts.masks[0].size,
            of,
        )
        before = parts.images[parts.places[effect.strongest]]
        found.append(Moved(effect, before, parts.without[effect.strongest]))
    return found
