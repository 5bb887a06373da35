"""What the commands write: a result as what the endings of file names say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvis.results import Result


@dataclass(frozen=True)
class Files:
    """What is written.

    Attributes:
        out: the page to write (.png, .jpg, .webp, .pdf, .html), or the numbers as for --data.
        data: also write the numbers (.npz, .safetensors, or .csv where they make rows).
    """

    out: Path
    data: Path | None = None

    def check(self, kind: "type[Result]", *others: Path | None) -> None:
        """Whether a result of that kind can be written there, asked before long work begins.

        Args:
            kind: of result.
            others: more files that it is written to.

        Raises:
            InputError: if not.
        """
        for path in (self.out, self.data, *others):
            if path is not None:
                kind.check_savable(path)

    def write(self, found: "Result", *view: Any, **options: Any) -> None:
        """Write a result, and its numbers where they are asked for, and print the paths.

        Args:
            found: the result.
            *view: what its page takes.
            **options: what its page takes.
        """
        print(found.save(self.out, *view, **options))
        self.write_data(found, *view, **options)

    def write_data(self, found: "Result", *view: Any, **options: Any) -> None:
        """Write a result's numbers where they are asked for, and print the path."""
        if self.data is not None:
            print(found.save(self.data, *view, **options))

    def unfinished(self, what: str = "unfinished") -> Path:
        """The file beside a page in which work on it is kept when it is stopped."""
        return self.out.with_name(f"{self.out.stem}.{what}.npz")


@dataclass(frozen=True)
class LayerFiles(Files):
    """What is written of several layers.

    Attributes:
        out: the page to write (.png, .jpg, .webp, .pdf, .html), or the numbers as for --data; with
            several layers each one's name is added to its page's.
        data: also write the numbers of all units (.npz, .safetensors, .csv).
    """

    out: Path
    data: Path | None = None

    def write_layers(
        self, found: "Result", layers: Sequence[str], *view: Any, **options: Any
    ) -> None:
        """`write`, with a page for each layer.

        Args:
            found: a result whose page is of one layer, named first.
            layers: where there are several each one's name is added to the file's.
            *view: what its page takes besides.
            **options: what its page takes besides.
        """
        from rlvis.file_kinds import KINDS

        of_layer = KINDS[self.out.suffix.lower()].content in ("picture", "html")
        for layer in layers if of_layer else layers[:1]:
            named = of_layer and len(layers) > 1
            path = self.out.with_stem(f"{self.out.stem}-{layer}") if named else self.out
            print(found.save(path, layer, *view, **options))
        self.write_data(found, layers[-1], *view, **options)
