"""Faults that somebody could make in a module, one at a time.

The operators of cosmic-ray (numbers, comparisons, arithmetic, boolean words, loops, handlers,
decorators), and what people forget: a keyword of a call, a method in a chain, a statement.
Messages of errors, annotations and docstrings are left as they are.
"""

import ast
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

ROOT = Path(__file__).parent.parent
# Faults that hardly anybody makes and every test notices: tensors have no such operators.
FAR_FETCHED = ("LShift", "RShift", "Bit", "Pow", "VariableReplacer", "VariableInserter")


@dataclass(frozen=True)
class Mutant:
    """A fault: the module, where, what was done, and the module's code with it."""

    path: Path
    line: int
    kind: str
    code: str

    def shown(self) -> str:
        before, after = (self.path.read_text().splitlines(), self.code.splitlines())
        changed = [a for a, b in zip(before, after, strict=False) if a != b] or before[-1:]
        turned = [b for a, b in zip(before, after, strict=False) if a != b] or after[-1:]
        name = self.path.relative_to(ROOT)
        return (
            f"{name}:{self.line} {self.kind}\n    - {changed[0].strip()}\n    + {turned[0].strip()}"
        )


def untouched(tree: ast.AST) -> Iterator[ast.AST]:
    """The parts where a fault changes nothing, or only words: annotations and messages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield node.exc
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield node.returns


Span = tuple[tuple[int, int], tuple[int, int]]


def span(node: ast.expr | ast.stmt | ast.keyword) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def forgotten(tree: ast.AST) -> Iterator[tuple[str, Span, str | Span]]:
    """What, where, and what stands there instead: a text, or the text of another span."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg is not None:
                    yield "without this keyword", span(keyword), ""
            if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
                yield "without this method", span(node), span(node.func.value)
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        stored = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name)
        if isinstance(node, ast.stmt) and (called or stored or isinstance(node, ast.AugAssign)):
            yield "without this statement", span(node), "pass"


def offset(lines: list[str], place: tuple[int, int]) -> int:
    """Characters before a place that ast gives in lines and bytes."""
    line, column = place
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def mutants(path: Path, draw: random.Random) -> Iterator[Callable[[], Mutant]]:
    """One fault for each place and kind, drawn among what could stand there."""
    source = path.read_text()
    lines, tree = source.splitlines(keepends=True), ast.parse(source)
    kept = [span(node) for node in untouched(tree) if isinstance(node, ast.expr)]

    def matters(at: Span) -> bool:
        return not any(start <= at[0] and at[1] <= end for start, end in kept)

    for kind, at, instead in forgotten(tree):
        start, end = (offset(lines, place) for place in at)
        if isinstance(instead, tuple):
            instead = source[offset(lines, instead[0]) : offset(lines, instead[1])]
        elif not instead and source[end:].lstrip().startswith(","):
            end = source.index(",", end) + 1
        if matters(at):
            text = source[:start] + instead + source[end:]
            yield partial(Mutant, path, at[1][0], kind, text)
    places: dict[tuple[str, Span], list[tuple[str, int]]] = {}
    nodes, provider = list(ast_nodes(get_ast(source))), OperatorProvider()
    for name in provider:
        if not any(word in name for word in FAR_FETCHED):
            found = provider[name]().mutation_positions
            positions = (at for node in nodes for at in found(node))
            for occurrence, at in enumerate(positions):
                if matters(at):
                    places.setdefault((name.split("_")[0], at), []).append((name, occurrence))
    for (_, at), choices in places.items():
        name, occurrence = draw.choice(choices)
        yield partial(replaced, path, at[0][0], name, occurrence)


def replaced(path: Path, line: int, name: str, occurrence: int) -> Mutant:
    code = mutate_code(path.read_text(), OperatorProvider()[name](), occurrence)
    assert code is not None
    return Mutant(path, line, name, code)


def compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True
