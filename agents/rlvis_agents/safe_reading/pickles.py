"""What a pickle says, without running code from it.

A pickle is a program whose instructions call whatever they name, and even numpy's own
reconstruction can be told to take bytes for pointers. Here `pickletools` reads the instructions and
nothing is called: what would be an object becomes an `Inert` record of what it would be made from.
Arrays are built from such records by `as_array`, once kind, size and length are seen to agree.
"""

import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

LARGEST_ARRAY = 2**26
"""Bytes of an array that are read; statistics of a megapixel image take a quarter of it."""
_MOST_INSTRUCTIONS = 500_000
_LARGEST_BITS = 256
_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])")


@dataclass(eq=False, slots=True, repr=False)
class Inert:
    """What a pickle makes an object from.

    Attributes:
        kind: the name of its class, or of the function that would return it.
        arguments: what that would be called with.
        states: what would be given to its `__setstate__`, in order.
        items: what would be set in it by key.
    """

    kind: str
    arguments: tuple[Any, ...] = ()
    states: list[Any] = field(default_factory=list)
    items: dict[Any, Any] = field(default_factory=dict)

    @property
    def state(self) -> dict[str, Any]:
        """Its attributes by name."""
        found: dict[str, Any] = {}
        for state in self.states:
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, dict):
                    found.update(part)
        return found


def read_pickle(data: bytes) -> Any:
    """The pickled object, made of containers, numbers, text and `Inert` records.

    Sets are lists; entries of a dict under other keys than text and numbers are left out.

    Raises:
        ValueError: if it is damaged, or larger than anything that is read here.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > _MOST_INSTRUCTIONS:
                raise ValueError("it is too long")
            machine.do(opcode.name, argument)
        return machine.stack.pop()
    except (IndexError, KeyError, OverflowError, struct.error) as error:
        raise ValueError(f"no readable pickle: {type(error).__name__}") from None
    except ValueError as error:
        raise ValueError(f"no readable pickle: {' '.join(str(error).split())[:160]}") from None


class _Machine:
    """The stack machine of pickles without its calls."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Follow one instruction.

        Raises:
            ValueError, IndexError, KeyError: if it cannot be followed.
        """
        if name in _CONSTANTS:
            self._constant(_CONSTANTS[name](argument))
        elif name in _TUPLES:
            self._fold(_TUPLES[name])
        elif name in _DO:
            _DO[name](self, argument)
        else:
            raise ValueError(f"the instruction {name} is not read")

    def _constant(self, value: Any) -> None:
        if isinstance(value, int) and value.bit_length() > _LARGEST_BITS:
            raise ValueError("a number is too large")
        self.stack.append(value)

    def _since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self._below.pop()
        return found

    def _mark(self, _: Any) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _fold(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("the stack is empty")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def _set(self, values: list[Any]) -> None:
        into = self.stack[-1].items if isinstance(self.stack[-1], Inert) else self.stack[-1]
        if isinstance(into, dict):
            into |= _pairs(values)

    def _set_last(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        self._extend([value])

    def _named(self, parts: tuple[Any, ...]) -> None:
        self.stack.append(Inert(str(parts[-1]).split(".")[-1].split(" ")[-1][:80]))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a class has no name")
        self._named((name,))

    def _call(self, _: Any) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        self._made(called, arguments)

    def _call_with_names(self, _: Any) -> None:
        self.stack.pop()
        self._call(None)

    def _made(self, called: Any, arguments: Any) -> None:
        if not isinstance(called, Inert) or not isinstance(arguments, tuple):
            raise ValueError("what is no class is called")
        self.stack.append(Inert(called.kind, arguments))

    def _instance(self, argument: Any) -> None:
        arguments = self._since_mark()
        if argument is None:
            called, *arguments = arguments
            self._made(called, tuple(arguments))
        else:
            self._named((argument,))
            self._made(self.stack.pop(), tuple(arguments))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Inert):
            self.stack[-1].states.append(state)

    def _keep(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self.stack[-1]

    def _recall(self, place: int) -> None:
        self.stack.append(self._memo[place])

    def _persistent(self, argument: Any) -> None:
        self.stack.append(Inert("persistent", (argument or self.stack.pop(),)))


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return {
        key: value
        for key, value in zip(values[::2], values[1::2], strict=True)
        if isinstance(key, str | int | float) or key is None
    }


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
            *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
            *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        lambda value: value,
    ),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_SET": lambda _: [],
    "EMPTY_DICT": lambda _: {},
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_DO: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda *_: None,
    "FRAME": lambda *_: None,
    "STOP": lambda *_: None,
    "MARK": _Machine._mark,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine._since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine._constant(tuple(machine._since_mark())),
    "LIST": lambda machine, _: machine._constant(machine._since_mark()),
    "FROZENSET": lambda machine, _: machine._constant(machine._since_mark()),
    "DICT": lambda machine, _: machine._constant(_pairs(machine._since_mark())),
    "APPEND": _Machine._append,
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "ADDITEMS": lambda machine, _: machine._extend(machine._since_mark()),
    "SETITEM": _Machine._set_last,
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    "MEMOIZE": _Machine._keep,
    "PUT": _Machine._keep,
    "BINPUT": _Machine._keep,
    "LONG_BINPUT": _Machine._keep,
    "GET": _Machine._recall,
    "BINGET": _Machine._recall,
    "LONG_BINGET": _Machine._recall,
    "GLOBAL": lambda machine, name: machine._named((name,)),
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "NEWOBJ_EX": _Machine._call_with_names,
    "INST": _Machine._instance,
    "OBJ": _Machine._instance,
    "BUILD": _Machine._build,
    "PERSID": _Machine._persistent,
    "BINPERSID": _Machine._persistent,
}


def as_mapping(value: Any) -> dict[Any, Any]:
    """A dict or an OrderedDict.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(value, Inert) and value.kind == "OrderedDict":
        return value.items
    if not isinstance(value, dict):
        raise ValueError("no mapping")
    return value


def as_dtype(value: Any) -> np.dtype:
    """A type of booleans, integers or floats.

    Raises:
        ValueError: if it is another.
    """
    if not isinstance(value, Inert) or value.kind != "dtype" or not value.arguments:
        raise ValueError("no type of numbers")
    code = _DTYPE.fullmatch(value.arguments[0] if isinstance(value.arguments[0], str) else "")
    order = value.states[-1][1] if _is_tuple(value.states[-1:], 2) else "="
    if code is None or order not in ("<", ">", "=", "|"):
        raise ValueError("no type of numbers")
    return np.dtype(f"{order}{code[1]}")


def as_array(value: Any) -> np.ndarray:
    """An array of numbers, in the machine's byte order; of a numpy scalar an array of no axes.

    Raises:
        ValueError: if it is none, or its kind, shape and length do not agree.
    """
    if not isinstance(value, Inert):
        raise ValueError("no array")
    if value.kind == "_reconstruct" and _is_tuple(value.states[-1:], 5):
        _, shape, dtype, fortran, data = value.states[-1][:5]
        order = "F" if fortran is True else "C"
    elif value.kind == "_frombuffer" and len(value.arguments) in (4, 5):
        data, dtype, shape, order = value.arguments[:4]
    elif value.kind == "scalar" and len(value.arguments) == 2:
        dtype, data = value.arguments
        shape, order = (), "C"
    else:
        raise ValueError("no array")
    kind, sizes = as_dtype(dtype), as_shape(shape)
    if not isinstance(data, bytes | bytearray):
        raise ValueError("an array holds no bytes")
    if prod(sizes) * kind.itemsize != len(data) or len(data) > LARGEST_ARRAY:
        raise ValueError(f"an array {sizes} cannot have {len(data)} bytes")
    if kind.kind == "b":
        flat: np.ndarray = np.frombuffer(data, np.uint8).astype(bool)
    else:
        flat = np.frombuffer(data, kind).astype(kind.newbyteorder("="))
    if order != "K":
        return flat.reshape(sizes, order="F" if order == "F" else "C")
    axes = as_shape(value.arguments[4:] and value.arguments[4])
    if sorted(axes) != list(range(len(sizes))):
        raise ValueError("the axes of an array are in no order")
    return flat.reshape(sizes).transpose(axes)


def as_shape(value: Any) -> tuple[int, ...]:
    """The sizes of the axes of an array.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, tuple | list) or len(value) > 16:
        raise ValueError("no shape")
    shape = tuple(as_integer(each) for each in value)
    if any(not 0 <= each <= LARGEST_ARRAY for each in shape):
        raise ValueError("no shape")
    return shape


def as_integer(value: Any) -> int:
    """A whole number, also one of numpy's.

    Raises:
        ValueError: if it is none.
    """
    number = as_number(value)
    if number != int(number):
        raise ValueError("no whole number")
    return int(number)


def as_number(value: Any) -> float:
    """A finite number, also one of numpy's.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(value, Inert):
        value = as_array(value).reshape(-1)[:1].sum().item()
    if not isinstance(value, int | float) or abs(value) > 1e300 or value != value:
        raise ValueError("no number")
    return value


def _is_tuple(values: list[Any], least: int) -> bool:
    return bool(values) and isinstance(values[0], tuple) and len(values[0]) >= least
