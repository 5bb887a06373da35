"""Draw the rooms, what each imports, and the way of the data, from the code itself.

    python -m scripts.draw_rooms

A test holds docs/rooms.svg against what this draws.
"""

import ast
from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import shorten

import grimp

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "rooms.svg"

SOURCES = {
    "rlvis": ROOT / "rlvis",
    "rlvis_agents": ROOT / "agents" / "rlvis_agents",
    "rlvis_envs": ROOT / "envs" / "rlvis_envs",
}
GROUND = "ground floor"
ROOMS = (
    "cli",
    "rlvis_agents",
    "inspector",
    "evaluation",
    "features",
    "rollouts",
    "attribution",
    "zoo",
    "instrument",
    "models",
    "display",
    "images",
    GROUND,
    "rlvis_envs",
)
"""From the roof down; the worlds stand apart."""

WAYS = (
    (
        ("images.loading", "load_image", "any file"),
        ("images.preprocess", "Preprocess", "uint8 → float"),
        ("models.image_model", "ImageModel", "named scores"),
        ("attribution.evidence", "Evidence", "one forward pass"),
        ("attribution.registry", "METHODS", "a formula"),
        ("attribution.explanation", "Explanation", "maps, scores, names"),
        ("display.page", "Page", "rows of pictures"),
        ("file_kinds", "KINDS", "png, html, npz, csv"),
    ),
    (
        ("rollouts.environments", "make_environment", "Gymnasium"),
        ("rollouts.stepper", "play", "steps, side by side"),
        ("models.policy", "Policy", "an action"),
        ("rollouts.recorder", "record", "maps of each frame"),
        ("rollouts.recording", "Recording", "a Zarr store"),
        ("rollouts.film.frame", "", "a frame's layout"),
        ("display.video_file", "", "mp4, gif"),
    ),
    (
        ("features.image_sets.image_set", "open_images", "folder, array, mnist"),
        ("models.replica", "replicate", "a private copy"),
        ("features.activations.units", "unit_activations", "units of layers"),
        ("results", "Result", "what a tool found"),
        ("display.page", "Page", "rows of pictures"),
        ("file_kinds", "KINDS", "png, html, npz, csv"),
    ),
)
"""What an image passes: modules of rlvis, a name in each, and what it becomes there."""

TITLES = ("Why this output?  rlvis explain", "Why this step?  rlvis record", "What is learned?")
_HUES = (0, 330, 350, 10, 25, 265, 45, 80, 110, 150, 190, 215, 240, 300)
HUES = dict(zip(ROOMS, _HUES, strict=True))
WIDTH, ROW, LEFT, TOP = 1180, 40, 700, 150
CELL = 36
FONT = "font-family='Inter, Helvetica, Arial, sans-serif'"


def room_of(module: str) -> str:
    """The room that a module is in."""
    package, _, rest = module.partition(".")
    if package != "rlvis":
        return package
    first = rest.partition(".")[0]
    return first if first in ROOMS else GROUND


def imports() -> set[tuple[str, str]]:
    """The pairs of rooms of which the first imports the second."""
    graph = grimp.build_graph(*SOURCES, cache_dir=None)
    pairs = {
        (room_of(module), room_of(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if module not in SOURCES
    }
    return {(first, second) for first, second in pairs if first != second}


def what_for(room: str) -> str:
    """The first sentence that a room says of itself."""
    if room == GROUND:
        return "Errors, files, options, results: what everything may use"
    path = SOURCES.get(room, SOURCES["rlvis"] / room) / "__init__.py"
    said = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    return shorten(said.split(". ")[0].replace("`", "").rstrip("."), 88, placeholder=" …")


def text(
    x: float, y: float, words: str, size: int = 13, fill: str = "#263238", more: str = ""
) -> str:
    """A line of text."""
    return f"<text x='{x}' y='{y}' font-size='{size}' fill='{fill}' {more}>{escape(words)}</text>"


def colour(room: str, lightness: int = 88) -> str:
    """That of a room."""
    return f"hsl({HUES[room]} 45% {lightness}%)"


def draw() -> str:
    """The picture, SVG."""
    height = TOP + ROW * len(ROOMS) + 84 + 116 * len(WAYS)
    parts = [
        "<svg xmlns='http://www.w3.org/2000/svg' role='img' "
        f"viewBox='0 0 {WIDTH} {height}' {FONT}>",
        "<title>The rooms of rlvis, what each imports, and the way of the data</title>",
        "<rect width='100%' height='100%' fill='#fff'/>",
        text(24, 40, "The rooms", 20, more="font-weight='600'"),
        text(24, 64, "A dot: the room at the left imports the one above the column."),
        text(24, 83, "All dots lie to the right of the diagonal: nothing imports from above."),
        *_rooms(imports()),
        text(24, TOP + ROW * len(ROOMS) + 56, "The way of the data", 20, more="font-weight='600'"),
    ]
    for number, (title, way) in enumerate(zip(TITLES, WAYS, strict=True)):
        parts += _way(title, way, TOP + ROW * len(ROOMS) + 92 + 116 * number)
    return "\n".join([*parts, "</svg>", ""])


def _rooms(pairs: set[tuple[str, str]]) -> list[str]:
    parts = []
    for number, room in enumerate(ROOMS):
        y = TOP + ROW * number
        x = LEFT + CELL * number + CELL / 2
        turn = f"transform='rotate(-50 {x} {TOP - 10})'"
        parts += [
            f"<rect x='24' y='{y}' width='{LEFT - 36}' height='{ROW - 4}' rx='4' "
            f"fill='{colour(room)}'/>",
            text(36, y + 23, room, 14, more="font-weight='600'"),
            text(150, y + 23, what_for(room), 12),
            text(x, TOP - 10, room, 12, more=turn),
            f"<rect x='{x - CELL / 2 + 2}' y='{y}' width='{CELL - 4}' height='{ROW - 4}' rx='4' "
            f"fill='{colour(room)}'/>",
        ]
        parts += [
            f"<circle cx='{LEFT + CELL * column + CELL / 2}' cy='{y + ROW / 2 - 2}' r='6' "
            f"fill='{colour(other, 45)}'/>"
            for column, other in enumerate(ROOMS)
            if (room, other) in pairs
        ]
    return parts


def _way(title: str, way: Sequence[tuple[str, str, str]], y: float) -> list[str]:
    step = (WIDTH - 48) / len(way)
    parts = [text(24, y, title, 13, more="font-weight='600'")]
    for number, (module, name, becomes) in enumerate(way):
        x, room = 24 + step * number, room_of(f"rlvis.{module}")
        path = module.split(".")
        head = module if len(path) < 3 else f"{path[0]}…{path[-1]}"
        parts += [
            f"<rect x='{x}' y='{y + 12}' width='{step - 22}' height='68' rx='4' "
            f"fill='{colour(room)}'/>",
            text(x + 8, y + 32, head, 9, "#546e7a"),
            text(x + 8, y + 51, name or module.rpartition(".")[2], 13, more="font-weight='600'"),
            text(x + 8, y + 69, becomes, 11),
        ]
        if number + 1 < len(way):
            parts.append(text(x + step - 19, y + 50, "→", 16))
    return parts


def main() -> None:
    """Write docs/rooms.svg."""
    PICTURE.write_text(draw())


if __name__ == "__main__":
    main()
