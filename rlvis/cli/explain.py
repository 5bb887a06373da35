"""The command `rlvis explain`."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import Methods, Targets
from rlvis.cli.bars import progress
from rlvis.cli.explained_files import ExplainedFiles, Outputs
from rlvis.cli.loading import USUAL, Network, refuse_unused
from rlvis.errors import InputError, Notice
from rlvis.interrupt import Stopped, interruptible
from rlvis.options import MANY, check_whole

if TYPE_CHECKING:
    from rlvis.attribution.explanation import Explanation, Explanations
    from rlvis.attribution.predictions import Prediction
    from rlvis.images.paths import PicturePath


def command(
    images: Positional[tuple[Path, ...]],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    methods: Methods = (),
    targets: Targets = (),
    top: int = 1,
    every: bool = False,
    layer: str | None = None,
    window: str | None = None,
    batch_size: int = 16,
    outputs: OmitArgPrefixes[Outputs] = Outputs(),  # noqa: B008
) -> None:
    """Explain what a network sees in pictures: files, folders with all in them, patterns.

    Args:
        images: the pictures (PNG, JPEG, WebP, TIFF, GIF; any mode, any size), folders of them, or
            patterns such as "photos/*.jpg". In a folder, folders named as labels are classes.
        network: the network to look into.
        methods: an attribution method, grad-cam when left out; repeat for several rows. Options
            follow a colon, as in occlusion:patch=32,stride=8.
        targets: a label to explain, the highest scores when left out; repeat for several columns.
            "cat - dog" is why a cat rather than a dog, "against cat" what speaks against it; also
            "p(cat)", "log p(cat)", "margin", "entropy".
        top: how many of the highest scores to explain where no target is named.
        every: explain every score, the highest first where there are more than ten.
        layer: the layer of class activation maps, the last spatial one when left out.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        batch_size: how many pictures go through the network at once.
        outputs: what is written.
    """
    from rlvis.array_spool import ArraySpool
    from rlvis.attribution import explain_each
    from rlvis.attribution.panel_picture import check_size
    from rlvis.attribution.registry import get_method
    from rlvis.images.depth import read_window
    from rlvis.images.paths import find_pictures
    from rlvis.models.targets import every as every_target
    from rlvis.models.targets import top as top_targets
    from rlvis.options import parse_value

    if not images:
        raise InputError("no picture given; name at least one file")
    check_whole("top", top, 1, MANY)
    check_whole("batch_size", batch_size, 1, MANY)
    if every and (targets or top > 1):
        raise InputError("--every already shows all targets; leave --target and --top out")
    levels = None if window is None else read_window(window)
    pictures = find_pictures(images)
    outputs.check()
    paths = outputs.paths(pictures)
    named = [get_method(each) for each in methods or ("grad-cam",)]
    if not any(each.reads_layer for each in named):
        refuse_unused(f"for {', '.join(map(str, named))}, which read no layer", layer=layer)
    if targets:
        refuse_unused("where targets are named", top=top != 1)
    inspected = network.load()
    count = min(top, len(inspected.labels))
    target = [*targets] or (every_target(inspected.labels) if every else top_targets(count))
    check_size(len(target), max(1, len(methods)))
    explain_pictures = partial(
        explain_each,
        inspected,
        [each.path for each in pictures],
        named,
        target,
        layer=layer,
        window=levels,
        batch_size=batch_size,
    )
    label_of = _label_of(pictures, inspected.labels)
    with ArraySpool() as spool:
        files = ExplainedFiles(outputs, parse_value(outputs.scale), label_of, spool)
        failures, looked_at = _write_all(pictures, paths, explain_pictures, files)
        written, accuracy = files.finish(inspected.name, inspected.labels)
    for line in filter(None, [*written, accuracy]):
        print(line)
    if looked_at < len(pictures):
        raise Stopped(f"stopped after {looked_at} of {len(pictures)} pictures; theirs is written")
    if len(pictures) > 1 and failures:
        raise InputError(f"{len(failures)} of {len(pictures)} pictures could not be explained")
    if failures:
        raise failures[0]


def _write_all(
    pictures: "Sequence[PicturePath]",
    paths: Sequence[Path],
    explain_pictures: "Callable[..., Iterator[Explanations]]",
    files: ExplainedFiles,
) -> tuple[dict[int, InputError], int]:
    """Write what belongs to each picture, until Ctrl-C.

    Returns:
        What is wrong with those that cannot be explained, and how many were looked at.

    Raises:
        KeyboardInterrupt: if that was asked for before the first was written.
    """
    failures: dict[int, InputError] = {}

    def fail(number: int, error: InputError) -> None:
        failures[number] = error
        if len(pictures) > 1:
            print(f"rlvis: {_named(error, pictures[number].path)}", file=sys.stderr)

    numbers = iter(range(len(pictures)))
    with interruptible() as asked_to_stop, progress("picture") as (start, advance):
        start(len(pictures), "explaining")
        for found in explain_pictures(on_error=fail):
            number = next(each for each in numbers if each not in failures)
            try:
                written = files.add(pictures[number], paths[number], found)
            except InputError as error:
                fail(number, error)
                continue
            _tell(written or [pictures[number].path], next(iter(found.values())), files.last)
            advance(to=number + 1)
            if asked_to_stop():
                return failures, number + 1
        if asked_to_stop():
            raise KeyboardInterrupt
    return failures, len(pictures)


def _named(error: InputError, path: Path) -> str:
    """What went wrong, with the name of the picture where it is not in it."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"


def _tell(paths: Sequence[Path], explanation: "Explanation", prediction: "Prediction") -> None:
    """Print the files of a picture and what was found in it."""
    from rlvis.attribution.panel_parts import score_words

    print(*paths, sep="\n")
    names = explanation.targets[0]
    width = max(map(len, names))
    for target, name in enumerate(names):
        score, share, _ = score_words(explanation, 0, target)
        print(f"    {name:{width}}  {score}" + (f"  {share}" if share else ""))
    if prediction.correct is False:
        print(f"    wrong: labelled {prediction.label}")


def _label_of(
    pictures: "Sequence[PicturePath]", labels: tuple[str, ...]
) -> "Callable[[PicturePath], int | None]":
    """What tells the label of a picture by its folder; folders that are no labels are told."""
    from rlvis.models.targets import label_index

    known: dict[str, int] = {}
    for folder in {each.folder for each in pictures}:
        try:
            known[folder] = label_index(folder, labels)
        except InputError:
            continue
    strange = sorted({each.folder for each in pictures} - set(known))
    if known and strange:
        warnings.warn(
            f"{len(strange)} folders are no labels ({', '.join(strange[:3])}…): what lies in them "
            "has no known class",
            Notice,
            stacklevel=2,
        )
    return lambda picture: known.get(picture.folder)
