"""The command `rlvis explain`."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.arguments import Methods, Targets
from rlvis.cli.loading import USUAL, Network, refuse_unused
from rlvis.errors import InputError
from rlvis.options import MANY, check_whole


def command(
    images: Positional[tuple[Path, ...]],
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    methods: Methods = (),
    targets: Targets = (),
    top: int = 1,
    every: bool = False,
    layer: str | None = None,
    scale: str = "row",
    window: str | None = None,
    out: Path | None = None,
) -> None:
    """Explain what a network sees in one or many pictures.

    Args:
        images: the pictures (PNG, JPEG, WebP, TIFF, GIF; any mode, any size).
        network: the network to look into.
        methods: an attribution method, grad-cam when left out; repeat for several rows. Options
            follow a colon, as in occlusion:patch=32,stride=8.
        targets: a label to explain, the highest scores when left out; repeat for several columns.
        top: how many of the highest scores to explain where no target is named.
        every: explain every score, the highest first where there are more than ten.
        layer: the layer of class activation maps, the last spatial one when left out.
        scale: what full strength stands for: row (the most of a method's maps), cell (of each map)
            or a number.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        out: the picture to write, or a folder for several; NAME-explained.png when left out.
    """
    from rlvis.attribution import explain as explain_image
    from rlvis.attribution.explanation import Explanation, Explanations
    from rlvis.attribution.panel_picture import check_size
    from rlvis.attribution.registry import get_method
    from rlvis.images.depth import read_window
    from rlvis.models.targets import every as every_target
    from rlvis.models.targets import top as top_targets
    from rlvis.options import parse_value

    if not images:
        raise InputError("no picture given; name at least one file")
    check_whole("top", top, 1, MANY)
    if every and (targets or top > 1):
        raise InputError("--every already shows all targets; leave --target and --top out")
    levels = None if window is None else read_window(window)
    panels = _panel_paths(images, out)
    for path in panels:
        Explanation.check_savable(path)
    named = [get_method(each) for each in methods or ("grad-cam",)]
    if not any(each.reads_layer for each in named):
        refuse_unused(f"for {', '.join(map(str, named))}, which read no layer", layer=layer)
    if targets:
        refuse_unused("where targets are named", top=top != 1)
    inspected = network.load()
    count = min(top, len(inspected.labels))
    target = [*targets] or (every_target(inspected.labels) if every else top_targets(count))
    check_size(len(target), max(1, len(methods)))
    failures = []
    for path, panel_path in zip(images, panels, strict=True):
        try:
            explained = explain_image(inspected, path, named, target, layer=layer, window=levels)
            print(Explanations(explained).save(panel_path, parse_value(scale)))
        except InputError as error:
            failures.append(error)
            if len(images) > 1:
                print(f"rlvis: {error}", file=sys.stderr)
    if len(failures) > 1 or (failures and len(images) > 1):
        raise InputError(f"{len(failures)} of {len(images)} pictures could not be explained")
    if failures:
        raise failures[0]


def _panel_paths(images: Sequence[Path], out: Path | None) -> list[Path]:
    """A file for each picture: NAME-explained.png, numbered where names repeat."""
    if out is not None and len(images) == 1 and not os.path.isdir(out):
        return [out]
    seen = Counter[str]()
    paths = []
    for image in images:
        seen[image.stem] += 1
        number = f"-{seen[image.stem]}" if seen[image.stem] > 1 else ""
        paths.append(Path(out or "") / f"{image.stem}-explained{number}.png")
    return paths
