"""How help reads: an example for each command, lines as long as the screen, values without None."""

from collections.abc import Callable
from types import NoneType
from typing import Any, get_args

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

REGISTRY = ConstructorRegistry()
"""Of what tyro is told besides; see its `ConstructorRegistry`."""


@REGISTRY.primitive_rule
def _optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """A value that may be None: PATH, not {None}|PATH. A single one can still be given as None."""
    kinds = [kind for kind in get_args(info.type) if kind is not NoneType]
    if len(kinds) != 1 or NoneType not in get_args(info.type):
        return None
    inner = PrimitiveTypeInfo.make(kinds[0], info.markers)
    spec = ConstructorRegistry.get_primitive_spec(inner)
    if not isinstance(spec, PrimitiveConstructorSpec) or not isinstance(spec.nargs, int):
        return None
    return PrimitiveConstructorSpec(
        nargs=spec.nargs,
        metavar=spec.metavar,
        instance_from_str=lambda given: (
            None if given == ["None"] else spec.instance_from_str(given)
        ),
        is_instance=lambda value: value is None or bool(spec.is_instance(value)),
        str_from_instance=lambda value: (
            ["none"] if value is None else spec.str_from_instance(value)
        ),
        choices=spec.choices,
    )


EXAMPLES = {
    "train": "rlvis train --steps 60000 --out out/mine",
    "record": "rlvis record --policy cube-reach -m cam -m saliency --video out/rollout.mp4",
    "video": "rlvis video recording.zarr --method cam --episode 1 --out out/one.gif",
    "episodes": "rlvis episodes run.zarr --only failures --sort margin",
    "whatif": "rlvis whatif run.zarr --episode 3 --step 17 --action right --out out/whatif.png",
    "compare": "rlvis compare run.zarr other.zip --out out/compared.html",
    "field": "rlvis field run.zarr --episode 3 --out out/field.png",
    "audit": "rlvis audit --policy cube-reach-choice --out out/audit.html",
    "inspect": "rlvis inspect run.zarr",
    "export": "rlvis export run.zarr --tensorboard out/curves",
    "evaluate": "rlvis evaluate --policy cube-reach --episodes 20",
    "explain": "rlvis explain photos --top 3 -m grad-cam -m saliency --index out/index.html",
    "layers": "rlvis layers --model efficientnet-lite0 --maps",
    "labels": "rlvis labels cat --model efficientnet-lite0",
    "methods": "rlvis methods",
    "features filters": "rlvis features filters --layer _conv_stem --out out/filters.png",
    "features patches": "rlvis features patches photos --layer _blocks.4 --out out/patches.html",
    "features units": "rlvis features units recording.zarr --model cube-reach --out out/units.html",
    "features embed": "rlvis features embed recording.zarr --model cube-reach --grid out/grid.png",
    "features synthesize": "rlvis features synthesize left right --model cube-reach --steps 128",
    "features dream": "rlvis features dream photo.jpg --what _blocks.8 --out out/dream.png",
    "features project": "rlvis features project photo.jpg --layer _blocks.2 --out out/back.png",
    "features attack": 'rlvis features attack photo.jpg --target "Egyptian cat" --eps 0.01',
}
"""An example of each command, shown in its help."""


def helpful(name: str, command: Callable[..., None], example: bool) -> Callable[..., None]:
    """A command whose docstring makes good help: each argument's description is one line of it.

    Args:
        name: with which it is called.
        command: its docstring is changed.
        example: whether the help is that of this command alone.
    """
    lines = list[str]()
    for line in (command.__doc__ or "").splitlines():
        if lines and line.startswith(" " * 12):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    if example and name in EXAMPLES:
        lines[1:1] = ["", f"    Example: {EXAMPLES[name]}"]
    command.__doc__ = "\n".join(lines)
    return command
