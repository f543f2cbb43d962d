"""Pickles read as data: calls are recorded, and nothing is called."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any, BinaryIO


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names. It is never imported.

    Args:
        module: str, name of its module.
        name: str, its name in the module.

    Example:

    >>> str(tfsep.checkpoints.Name("fractions", "Fraction"))
    'fractions.Fraction'
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False)
class Call:
    """A call that a pickle contains. It is recorded and never made.

    Args:
        name: `Name` of the class or function.
        args: tuple of the arguments.
        state: state that the pickle sets on the result. Defaults to None.

    Example:

    >>> call = tfsep.checkpoints.Call(tfsep.checkpoints.Name("fractions", "Fraction"), (39, 5))
    >>> print(call.name, call.args)
    fractions.Fraction (39, 5)
    """

    name: Name
    args: tuple
    state: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class PersistentId:
    """A reference to something outside the pickle, such as a storage of torch."""

    value: Any


# Packages whose objects checkpoints contain. Calls of anything else are refused.
_KNOWN = {
    "_codecs", "argparse", "collections", "demucs", "fractions", "ml_collections", "numpy", "omegaconf", "pathlib",
    "torch", "typing",
}  # fmt: skip
_ORDERED_DICT = Name("collections", "OrderedDict")
# Types of keys and members of sets: `hash` of a deeply nested tuple would overflow the stack.
_KEYS = (str, int, float, bytes, type(None))
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "FLOAT", "BINFLOAT",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
_FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class PickleError(ValueError):
    """Error for a pickle that is damaged, or calls what no checkpoint needs."""


def read_pickle(file: BinaryIO) -> Any:
    """Read one pickle to plain containers and values, and `Name`, `Call` and `PersistentId` for everything else.

    The opcodes are interpreted here one by one; no module is imported, no object created and no function called.
    `collections.OrderedDict` becomes a dict.

    Args:
        file: binary file at the start of the pickle; afterwards it is at its end.

    Returns:
        The object.

    Raises:
        PickleError: if the pickle is damaged, or calls anything outside the packages that checkpoints use.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except PickleError:
        raise
    except Exception as error:  # many kinds, for opcodes that do not follow from those before
        raise PickleError(f"the pickle is damaged ({error or type(error).__name__})") from error


class _Machine:
    """Interpreter of opcodes, with the stack and the memo of a pickle."""

    def __init__(self):
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _FIXED_TUPLES:
            count = _FIXED_TUPLES[name]
            stack[-count:] = [tuple(self._top(count))]
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise PickleError(f"the pickle uses {name}, which no checkpoint needs")
            method() if argument is None else method(argument)

    def _top(self, count: int) -> list:
        if len(self.stack) < count:
            raise IndexError("stack underflow")
        return self.stack[-count:]

    def _memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _pop(self) -> None:
        self.stack.pop()

    def _pop_mark(self) -> None:
        self._since_mark()

    def _dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _tuple(self) -> None:
        items = tuple(self._since_mark())
        self.stack.append(items)

    def _list(self) -> None:
        items = self._since_mark()
        self.stack.append(items)

    def _dict(self) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._set_items(items)

    def _frozenset(self) -> None:
        items = self._since_mark()
        self.stack.append(set())
        self._add_items(items)

    def _append(self) -> None:
        self._extend([self.stack.pop()])

    def _appends(self) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list) -> None:
        _expect(self.stack[-1], list).extend(items)

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _setitems(self) -> None:
        self._set_items(self._since_mark())

    def _set_items(self, items: list) -> None:
        target = _expect(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_expect(key, _KEYS)] = value

    def _additems(self) -> None:
        self._add_items(self._since_mark())

    def _add_items(self, items: list) -> None:
        _expect(self.stack[-1], set).update(_expect(item, _KEYS) for item in items)

    def _binpersid(self) -> None:
        self.stack.append(PersistentId(self.stack.pop()))

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Name(module, name))

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Name(_expect(module, str), _expect(name, str)))

    def _reduce(self) -> None:
        args, name = _expect(self.stack.pop(), tuple), _expect(self.stack.pop(), Name)
        if name.module.partition(".")[0] not in _KNOWN:
            raise PickleError(f"the pickle would call {name}, which no checkpoint needs; it was not called")
        if name != _ORDERED_DICT:
            self.stack.append(Call(name, args))
            return
        self.stack.append({})
        for pair in args[0] if args else ():
            self._set_items(list(pair))

    _newobj = _reduce

    def _newobj_ex(self) -> None:
        self.stack.pop()  # keyword arguments
        self._reduce()

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Call):
            target.state = state
        elif not isinstance(target, dict):  # an OrderedDict's attributes, such as `_metadata`, are of no use
            raise PickleError(f"the pickle changes a {type(target).__name__}, which no checkpoint needs")


def _expect(value: Any, kinds: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"{type(value).__name__} in an unexpected place")
    return value
