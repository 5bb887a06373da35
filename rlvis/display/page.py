"""A page: title, lines, rows of captioned pictures and tables; drawn, or as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from rlvis.display.page_html import write_html
from rlvis.display.page_picture import draw_page
from rlvis.display.tiles import Row


@dataclass(frozen=True)
class Page:
    """What is shown, however it is looked at.

    Attributes:
        title: at the top.
        lines: what is shown, of which model and layer, how it was normalised.
        rows: one under the other.
        width: of the picture in pixels, at most.
    """

    title: str
    lines: Sequence[str]
    rows: Sequence[Row] = field(repr=False)
    width: int = 1280

    def picture(self) -> Image.Image:
        """The page as a picture."""
        return draw_page(self.title, self.lines, self.rows, self.width)

    def html(self, whole: bool = True) -> str:
        """The page as HTML that needs no other file.

        Args:
            whole: a whole document; else a part of one, as notebooks show it.
        """
        return write_html(self.title, self.lines, self.rows, whole)

    def _repr_html_(self) -> str:
        return self.html(whole=False)
