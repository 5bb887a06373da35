"""Pages as HTML that needs no other file: pictures within, readable on a phone."""

import base64
from collections.abc import Sequence
from html import escape
from itertools import groupby
from urllib.parse import quote

from PIL import Image

from rlvis.display.matrix import cell_colour
from rlvis.display.page_layout import arrange
from rlvis.display.shown import Shown
from rlvis.display.theme import ink_on, typeset
from rlvis.display.tiles import Matrix, Row, Tile
from rlvis.file_kinds import picture_bytes

_WIDTH, _LARGE = 1224, 400
_LEGIBLE = 0.75
"""Pictures of text are not drawn smaller than this share of their size."""
_STYLE = """
.rlvis { font: 15px/1.45 system-ui, sans-serif; color: #181c22; background: #fff;
  max-width: 1280px; box-sizing: border-box; margin: 0 auto; padding: 20px 28px; }
.rlvis h1 { font-size: 24px; line-height: 1.25; margin: 0 0 8px; }
.rlvis h2 { font-size: 17px; margin: 0 12px 0 0; display: inline; }
.rlvis p { color: #626a76; margin: 2px 0; }
.rlvis .line { display: flex; flex-wrap: wrap; gap: 18px 28px; margin-top: 18px; }
.rlvis .row { max-width: 100%; }
.rlvis .row > p { display: inline; font-size: 14px; }
.rlvis .row > p img { width: 80px; height: 10px; margin: 0 6px; }
.rlvis .beside { flex: 1 1 300px; }
.rlvis .beside .row + .row { margin-top: 18px; }
.rlvis .tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 8px; }
.rlvis .tiles.large { flex-wrap: nowrap; }
.rlvis figure { margin: 0; max-width: 100%; min-width: 0; }
.rlvis .box { display: grid; place-items: center; }
.rlvis .box img { display: block; height: auto; }
.rlvis img.framed { outline: 3px solid var(--frame); }
.rlvis img.pixels { image-rendering: pixelated; }
.rlvis figcaption { font-size: 13px; color: #626a76; overflow-wrap: anywhere; margin-top: 4px; }
.rlvis figcaption span { display: block; }
.rlvis figcaption span:first-child { color: #181c22; }
.rlvis .scroll { overflow-x: auto; }
.rlvis div.scroll { margin-top: 18px; }
.rlvis table { border-collapse: collapse; font-size: 14px;
  font-variant-numeric: tabular-nums; }
.rlvis .cells th { text-align: left; white-space: nowrap; padding: 6px 14px 6px 0; }
.rlvis .cells td { border-top: 1px solid #eaedf1; padding: 6px 14px 6px 0; white-space: nowrap; }
.rlvis .cells td:last-child { white-space: normal; min-width: 300px; }
.rlvis .cells img { height: 58px; margin: 3px 8px 3px 0; }
.rlvis .matrix th { font-weight: normal; padding: 2px 6px; text-align: right; max-width: 150px;
  overflow-wrap: anywhere; }
.rlvis .matrix thead th { text-align: center; }
.rlvis .matrix td { border: 1px solid #fff; min-width: 26px; height: 26px; text-align: center; }
@media (max-width: 600px) { .rlvis { padding: 14px; } .rlvis .tiles.large { flex-wrap: wrap; } }
"""


def write_html(title: str, lines: Sequence[str], rows: Sequence[Row], whole: bool = True) -> str:
    """A page as HTML.

    Args:
        title: at the top, bold.
        lines: under it.
        rows: one under the other.
        whole: a whole document; else a part of one, as notebooks show it.
    """
    head = f"<h1>{_text(title)}</h1>" + "".join(f"<p>{_text(line)}</p>" for line in lines)
    blocks = [
        _table(list(group)) if names else _lines(list(group))
        for names, group in groupby(rows, key=lambda row: tuple(row.cells))
    ]
    body = f'<div class="rlvis">{head}{"".join(blocks)}</div>'
    if not whole:
        return f"<style>{_STYLE}</style>{body}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>body {{ margin: 0; }}{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _lines(rows: Sequence[Row]) -> str:
    """Rows side by side where there is room."""
    if any(row.beside for row in rows):
        lines = [_row(row) + _beside(row.beside) for row in rows]
    else:
        lines = ["".join(map(_row, line)) for line in arrange(rows, _WIDTH)]
    return "".join(f'<div class="line">{line}</div>' for line in lines)


def _beside(rows: Sequence[Row]) -> str:
    return f'<div class="beside">{"".join(map(_row, rows))}</div>' if rows else ""


def _row(row: Row) -> str:
    heading = f"<h2>{_text(row.heading)}</h2>" if row.heading else ""
    note = f"<p>{_text(row.note)}</p>" if row.note else ""
    if row.legend is not None:
        before, bar, after = row.legend
        image = _image(Tile(bar, Shown()), "colours from least to most")
        note = f"<p>{_text(before)}{image}{_text(after)}</p>"
    width = f' style="min-width: min(100%, {row.width}px)"' if row.width else ""
    tiles = "".join(_figure(tile, row) for tile in row.tiles)
    large = " large" * (row.tile[1] > _LARGE)
    inner = f'{heading}{note}<div class="tiles{large}">{tiles}</div>'
    return f'<section class="row"{width}>{inner}</section>'


def _figure(tile: Tile | Matrix, row: Row) -> str:
    caption = "".join(f"<span>{_text(line)}</span>" for line in tile.caption)
    caption = f"<figcaption>{caption}</figcaption>" if caption else ""
    if isinstance(tile, Matrix):
        return f'<figure class="scroll">{_matrix(tile)}{caption}</figure>'
    (height, width), (down, across) = tile.picture.shape[:2], row.tile
    scale = min(down / height, across / width)
    scale = scale if row.grows else min(scale, 1)
    says = ", ".join(filter(None, [row.heading, *tile.caption])) or "picture"
    image = _image(tile, says, scale, f"width: {100 * width * scale / across:.4g}%")
    least = f"; min-width: {_LEGIBLE * across:.0f}px" * row.scrolls
    box = f'<div class="box" style="aspect-ratio: {across} / {down}{least}">{image}</div>'
    scrolls = ' class="scroll"' * row.scrolls
    return f'<figure{scrolls} style="width: {across}px">{box}{caption}</figure>'


def _table(rows: Sequence[Row]) -> str:
    """Rows with the same cells as a table, pictures in a last column where there are some."""
    shown = any(row.tiles for row in rows)
    names = ("", *rows[0].cells, *[""] * shown)
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    body = "".join(_table_row(row, shown) for row in rows)
    table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table class="cells">{table}</table></div>'


def _table_row(row: Row, shown: bool) -> str:
    cells = "".join(f"<td>{_text(value)}</td>" for value in row.cells.values())
    pictures = "".join(
        _image(tile, ", ".join(tile.caption)) for tile in row.tiles if isinstance(tile, Tile)
    )
    pictures = f"<td>{pictures}</td>" * shown
    return f'<tr><th scope="row">{_text(row.heading)}</th>{cells}{pictures}</tr>'


def _image(tile: Tile, says: str, scale: float = 1, style: str = "") -> str:
    picture = Image.fromarray(tile.picture)
    kind, data = min(
        ((kind, picture_bytes(picture, kind)) for kind in ("JPEG", "PNG")),
        key=lambda each: len(each[1]),
    )
    source = f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
    classes = ["pixels"] * (scale >= 8) + ["framed"] * (tile.frame is not None)
    if tile.frame is not None:
        style = f"{style}; --frame: {_colour(tile.frame)}".removeprefix("; ")
    marked = f' class="{" ".join(classes)}"' if classes else ""
    styled = f' style="{style}"' if style else ""
    words = _text(says)
    image = f'<img src="{source}" alt="{words}" title="{words}"{marked}{styled}>'
    return f'<a href="{escape(quote(tile.link))}">{image}</a>' if tile.link else image


def _matrix(matrix: Matrix) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in matrix.columns)
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th>{"".join(_cell(matrix, each) for each in values)}'
        "</tr>"
        for name, values in zip(matrix.rows, matrix.values, strict=True)
    )
    head = f"<thead><tr><td></td>{head}</tr></thead>"
    return f'<table class="matrix">{head}<tbody>{body}</tbody></table>'


def _cell(matrix: Matrix, value: float) -> str:
    colour = cell_colour(value)
    style = f"background: {_colour(colour)}; color: {_colour(ink_on(colour))}"
    return f'<td style="{style}">{_text(matrix.text(value))}</td>'


def _colour(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _text(text: str) -> str:
    return escape(typeset(text))
