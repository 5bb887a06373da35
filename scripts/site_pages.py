"""Pages of the documentation site that are made from the code: a hook of MkDocs.

Every room gets a page with the docstrings of its modules, the commands get one with their help, and
the notebook becomes one.
"""

import ast
import base64
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "rlvis", ROOT / "agents" / "rlvis_agents", ROOT / "envs" / "rlvis_envs")
NOTEBOOK = ROOT / "docs" / "how-to" / "notebook.ipynb"
HELP_COLUMNS = 76

PUBLIC = (
    "rlvis.models.targets",
    "rlvis_envs.cube_reach",
    "rlvis_envs.cube_reach_choice",
    "rlvis_envs.interventions",
)
"""Modules that have a page of their own."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here to those that lie in docs/."""
    for path, text in pages():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> Iterator[tuple[str, str | bytes]]:
    """The path and the Markdown of each page, and the pictures that come with them."""
    for package in PACKAGES:
        for room in rooms(package):
            yield f"reference/rooms/{room.name}.md", room_page(room, package)
        yield f"reference/rooms/{package.name}-ground.md", ground_page(package)
    yield "reference/commands.md", commands_page()
    yield from notebook_page()


def rooms(package: Path) -> list[Path]:
    """The folders of a package that are rooms."""
    return sorted(
        each.parent for each in package.glob("*/__init__.py") if each.parent.name != "cli"
    )


def room_page(room: Path, package: Path) -> str:
    """What a room says of itself, and its modules."""
    modules = [each for each in sorted(room.rglob("*.py")) if each.name != "__init__.py"]
    return "\n\n".join(
        [f"# {room.name}", docstring(room / "__init__.py"), *_directives(modules, package)]
    )


def ground_page(package: Path) -> str:
    """The modules that lie in no room."""
    modules = [each for each in sorted(package.glob("*.py")) if not each.name.startswith("__")]
    return "\n\n".join([f"# In {package.name} itself", *_directives(modules, package)])


def _directives(modules: list[Path], package: Path) -> list[str]:
    names = [module_name(each, package) for each in modules]
    return [f"::: {each}" for each in names if each not in PUBLIC]


def module_name(path: Path, package: Path) -> str:
    """The import name of a file."""
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def docstring(path: Path) -> str:
    """What a module says of itself."""
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def commands_page() -> str:
    """The help of every command, as the terminal shows it."""
    from rlvis.cli import COMMANDS, FEATURES

    parts = ["# Commands", "What `rlvis COMMAND --help` prints."]
    asked = [[each] for each in COMMANDS] + [["features", each] for each in FEATURES]
    for words in asked:
        parts += [f"## rlvis {' '.join(words)}", f"```text\n{help_of(words)}\n```"]
    return "\n\n".join(parts)


def help_of(words: list[str]) -> str:
    """The help of one command."""
    from rlvis.cli import main

    os.environ["COLUMNS"] = str(HELP_COLUMNS)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            main([*words, "--help"])
    except SystemExit:
        pass
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines()).strip()


def notebook_page() -> Iterator[tuple[str, str | bytes]]:
    """The cells of the notebook with what they show, and the pictures among that."""
    parts = []
    for number, cell in enumerate(json.loads(NOTEBOOK.read_text())["cells"]):
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data: dict[str, Any] = output["data"]
            if "image/jpeg" in data:
                name = f"notebook-{number}.jpg"
                yield f"how-to/{name}", base64.b64decode("".join(data["image/jpeg"]))
                parts.append(f"![What the cell shows]({name})")
            elif "text/html" in data:
                parts.append(_table("".join(data["text/html"])))
            else:
                parts.append("```text\n" + "".join(data["text/plain"]) + "\n```")
    parts.append("[Download the notebook](notebook.ipynb)")
    yield "how-to/notebook.md", "\n\n".join(parts)


def _table(html: str) -> str:
    """A data frame's HTML without its own style, so that it takes that of the site."""
    table = html[html.index("<table") : html.index("</table>") + len("</table>")]
    return re.sub(r"<(table|tr) [^>]*>", r"<\1>", table)
