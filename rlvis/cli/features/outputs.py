"""What the commands write: a result as what the endings of file names say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvis.results import Result


def check_outputs(kind: "type[Result]", *paths: Path | None) -> None:
    """Whether a result of that kind can be written there, asked before long work begins.

    Raises:
        InputError: if not.
    """
    for path in paths:
        if path is not None:
            kind.check_savable(path)


def write_outputs(
    found: "Result", out: Path, data: Path | None, *view: Any, **options: Any
) -> None:
    """Write a result, and its numbers where they are asked for, and print the paths.

    Args:
        found: the result.
        out, data: the files.
        view, options: what its page takes.
    """
    print(found.save(out, *view, **options))
    if data is not None:
        print(found.save(data, *view, **options))


def write_layers(
    found: "Result", out: Path, data: Path | None, layers: Sequence[str], *view: Any, **options: Any
) -> None:
    """`write_outputs`, with a page for each layer.

    Args:
        found: a result whose page is of one layer, named first.
        layers: where there are several each one's name is added to the file's.
        out, data, view, options: as there.
    """
    from rlvis.file_kinds import KINDS

    of_layer = KINDS[out.suffix.lower()].content in ("picture", "html")
    for layer in layers if of_layer else layers[:1]:
        named = of_layer and len(layers) > 1
        path = out.with_name(f"{out.stem}-{layer}{out.suffix}") if named else out
        print(found.save(path, layer, *view, **options))
    if data is not None:
        print(found.save(data, layers[-1], *view, **options))
