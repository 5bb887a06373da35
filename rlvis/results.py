"""What every tool gives: a `Result` that draws itself as a page, gives its numbers, and saves both.

A tool writes `page` and `arrays`, and `table` where its numbers make rows; everything else follows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from rlvis.errors import InputError
from rlvis.file_kinds import Content, check_savable, picture_bytes, save_as

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

Table = Mapping[str, Sequence[Any] | np.ndarray]
"""Columns of one length by name."""


class Viewable(Protocol):
    """What can be looked at, as a picture or in a browser."""

    def picture(self) -> "Image":
        """It as a picture."""

    def html(self, whole: bool = True) -> str:
        """It as HTML that needs no other file: a whole document, or a part of one."""


class Result(ABC):
    """What a tool found."""

    @abstractmethod
    def page(self, *view: Any, **options: Any) -> Viewable:
        """What is to be seen of it, on a page."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Its numbers, and names as text, by name."""

    def table(self) -> Table:
        """Its numbers as rows: the columns by name.

        Raises:
            InputError: if they make no rows.
        """
        raise InputError(f"{type(self).__name__} has no rows; use arrays()")

    @classmethod
    def contents(cls) -> tuple[Content, ...]:
        """What of it can be written to files; see `rlvis.file_kinds.KINDS`."""
        always: tuple[Content, ...] = ("picture", "html", "arrays")
        return always if cls.table is Result.table else (*always, "table")

    @classmethod
    def check_savable(cls, path: str | Path) -> None:
        """Whether such a result can be saved there, asked before it is worked for.

        Raises:
            InputError: as `save`.
        """
        check_savable(path, cls.contents())

    def picture(self, *view: Any, **options: Any) -> "Image":
        """The page as a picture; what it takes is what `page` takes."""
        return self.page(*view, **options).picture()

    def html(self, *view: Any, **options: Any) -> str:
        """The page as an HTML document in one file; what it takes is what `page` takes."""
        return self.page(*view, **options).html()

    def to_dataframe(self) -> "pandas.DataFrame":
        """Its rows as a data frame.

        Raises:
            InputError: if its numbers make no rows, or pandas is not installed.
        """
        table = self.table()
        try:
            import pandas
        except ModuleNotFoundError:
            raise InputError(
                "data frames need pandas; pip install pandas, or save the rows as .csv"
            ) from None
        return pandas.DataFrame({name: list(column) for name, column in table.items()})

    def save(self, path: str | Path, *view: Any, **options: Any) -> Path:
        """Write it as what the path's ending says, and return the path.

        Args:
            path: ends in .png, .jpg, .webp, .pdf or .html for the page, .npz or .safetensors for
                the arrays, .csv for the rows where there are some.
            *view: what `page` takes.
            **options: what `page` takes.

        Raises:
            InputError: if the ending is none of these, or the file cannot be written.
        """
        made = {
            "picture": lambda: self.picture(*view, **options),
            "html": lambda: self.html(*view, **options),
            "arrays": self.arrays,
            "table": self.table,
        }
        return save_as(path, {content: made[content] for content in self.contents()})

    def save_data(self, path: str | Path) -> Path:
        """Write its numbers (.npz, .safetensors, .csv) and return the path."""
        return self.save(path)

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it is of, in a few words."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary}>"

    def _repr_html_(self) -> str:
        return self.page().html(whole=False)

    def _repr_png_(self) -> bytes:
        return picture_bytes(self.picture())


Part = TypeVar("Part", bound=Result)


class Results(Result, dict[str, Part]):
    """Results of one kind by name, which share a page."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of all parts, "part/array"; of a single one as they are."""
        if len(self) == 1:
            return next(iter(self.values())).arrays()
        return {
            f"{name}/{array}": values
            for name, part in self.items()
            for array, values in part.arrays().items()
        }

    def table(self) -> Table:
        """The rows of all parts, one after the other.

        Raises:
            InputError: if there are no parts.
        """
        if not self:
            raise InputError("no rows: there are no results")
        tables = [part.table() for part in self.values()]
        return {
            column: [value for table in tables for value in table[column]] for column in tables[0]
        }

    @property
    def summary(self) -> str:
        """How many, and of what."""
        return f"{len(self)} of {', '.join(self)}"


def by_name(parts: Sequence[Part], names: Sequence[str]) -> dict[str, Part]:
    """Results by these names, numbered where a name repeats."""
    found: dict[str, Part] = {}
    for part, name in zip(parts, names, strict=True):
        count = sum(each == name or each.startswith(f"{name} (") for each in found)
        found[f"{name} ({count + 1})" if count else name] = part
    return found
