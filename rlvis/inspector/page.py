"""The page's files, and the page as one file that opens from disk.

From disk a browser loads no modules, so that each becomes a data: URL, found by an import map; the
stylesheets, their fonts and what is shown lie in the page itself.
"""

import json
import re
from base64 import b64encode
from importlib import resources
from typing import Any

PAGE = resources.files("rlvis.inspector").joinpath("static")
FONTS = resources.files("rlvis").joinpath("data/fonts")

_IMPORT = re.compile(r'(\bfrom\s*|\bimport\s*\(?\s*)"\./([\w-]+)\.js"')
_SHEET = re.compile(r'<link rel="stylesheet" href="/static/([\w-]+\.css)">')
_FONT = re.compile(r'url\("/fonts/([\w.-]+)"\)')
_CHARSET = '<meta charset="utf-8">'
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def standalone(shown: Any) -> str:
    """The page as one file.

    Args:
        shown: what JSON holds; see `static/embedded.js`.
    """
    page = PAGE.joinpath("index.html").read_text("utf-8")
    page = _SHEET.sub(lambda found: f"<style>\n{_style(found[1])}</style>", page)
    modules = {
        f"rlvis/{each.name.removesuffix('.js')}": _data_url(_renamed(each.read_text("utf-8")))
        for each in PAGE.iterdir()
        if each.name.endswith(".js")
    }
    data = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    scripts = (
        f'<script type="importmap">{json.dumps({"imports": modules})}</script>\n'
        f'<script type="application/json" id="rlvis-file">{data}</script>\n'
        '<script type="module">import "rlvis/main";</script>'
    )
    for old, new in (
        (_CHARSET, f'{_CHARSET}\n<meta http-equiv="content-security-policy" content="{_POLICY}">'),
        ('<script type="module" src="/static/main.js"></script>', scripts),
    ):
        assert page.count(old) == 1, old
        page = page.replace(old, new)
    return page


def _style(name: str) -> str:
    """A stylesheet with its fonts in it."""

    def embedded(found: re.Match[str]) -> str:
        content = b64encode(FONTS.joinpath(found[1]).read_bytes()).decode()
        return f'url("data:font/otf;base64,{content}")'

    return _FONT.sub(embedded, PAGE.joinpath(name).read_text("utf-8"))


def _renamed(module: str) -> str:
    """A module's text with the others by the names of the import map."""
    return _IMPORT.sub(r'\1"rlvis/\2"', module)


def _data_url(module: str) -> str:
    return f"data:text/javascript;base64,{b64encode(module.encode()).decode()}"
