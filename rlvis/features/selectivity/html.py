"""The report of a layer's units as one HTML file, pictures and all."""

import base64
from html import escape

import numpy as np
from PIL import Image

from rlvis.display.page import picture_bytes
from rlvis.features.selectivity.report import heading, matrices, metadata
from rlvis.features.selectivity.result import LayerSelectivity, Selectivity
from rlvis.features.top_patches.pages import unit_tiles

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #181c22; margin: 28px; }
p { color: #626a76; max-width: 80em; margin: 4px 0; }
figure { display: inline-block; margin: 16px 32px 16px 0; vertical-align: top; }
figcaption { color: #626a76; }
table { border-collapse: collapse; margin-top: 16px; }
th { text-align: left; position: sticky; top: 0; background: #fff; padding: 6px 14px 6px 0; }
td { border-top: 1px solid #eaedf1; padding: 6px 14px 6px 0; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td img { height: 72px; margin-right: 4px; border: 1px solid #eaedf1; }
"""


def html(report: Selectivity, units: LayerSelectivity, most: int) -> str:
    """The report as HTML that needs no other file.

    Args:
        report: of several layers.
        units: the layer.
        most: how many units to show, those that tell their class best.
    """
    title = escape(heading(report, units))
    lines = "".join(f"<p>{escape(line)}</p>" for line in metadata(report, units))
    tables = "".join(
        f"<figure>{_image(picture, 'PNG', title)}<figcaption>{escape(title)}</figcaption></figure>"
        for title, picture in matrices(report, units)
    )
    names = ("unit", "class", "area", "selectivity", "bits", "fires", "for its class", "patches")
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_row(report, units, unit) for unit in units.ranked[:most].tolist())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>{lines}{tables}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></html>\n"
    )


def _row(report: Selectivity, units: LayerSelectivity, unit: int) -> str:
    preferred = units.preferred[unit]
    numbers = (
        f"{units.area[unit]:.3f}",
        f"{units.selectivity[unit]:.2f}",
        f"{units.mutual_information[unit]:.2f}",
        f"{units.firing[unit]:.0%}",
        f"{units.class_firing[unit, preferred]:.0%}",
    )
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    tiles = unit_tiles(report.patches.images, report.patches.layer(units.layer), unit)
    pictures = "".join(_image(tile.picture, "JPEG", ", ".join(tile.caption)) for tile in tiles)
    name = escape(units.classes.names[preferred])
    return f"<tr><td>{unit}</td><td>{name}</td>{cells}<td>{pictures}</td></tr>"


def _image(picture: np.ndarray, kind: str, says: str) -> str:
    data = base64.b64encode(picture_bytes(Image.fromarray(picture), kind)).decode()
    source, says = f"data:image/{kind.lower()};base64,{data}", escape(says)
    return f'<img src="{source}" alt="{says}" title="{says}">'
