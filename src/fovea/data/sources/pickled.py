"""Arrays, lists, integers and text read out of a pickle of which nothing is executed."""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = 4_000_000  # opcodes; CIFAR-100's training part has some 400,000
_DIMENSIONS = 4


def read_plain(content: bytes | bytearray) -> dict[str, Any]:
    """Return the dictionary a pickle of any protocol holds, its arrays of integers as such.

    The opcodes are followed without the ``pickle`` module: what a batch of images does not need is
    refused, an array is made of its shape and bytes alone, and no step takes more memory than its
    own bytes in the pickle.

    Raises:
        ValueError: not a pickle, damaged, or with anything else in it.
    """
    try:
        found = _Machine(content).run()
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"damaged pickle ({type(error).__name__})") from error
    if type(found) is not dict:
        raise ValueError(f"a {type(found).__name__} instead of a dictionary")
    return {
        key: value.values if isinstance(value, _Array) else value for key, value in found.items()
    }


@dataclass(frozen=True)
class _Global:
    module: str
    name: str


@dataclass
class _Type:
    kind: str
    order: str = "="

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.kind)


@dataclass
class _Array:
    values: NDArray[Any] | None = None  # until its state comes


class _Machine:
    def __init__(self, content: bytes | bytearray) -> None:
        self._content = content
        self._encodable = len(content)  # characters of text that may become bytes, in all
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(self._content)):
            if step >= _STEPS:
                raise ValueError(f"more than {_STEPS:,} steps")
            if opcode.name == "STOP":
                break
            self._step(opcode.name, argument)
        return self._stack.pop()

    def _step(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "BININT" | "BININT1" | "BININT2" | "INT" | "LONG" | "LONG1":
                if argument.bit_length() > 63:
                    raise ValueError("an integer of more than 64 bits")
                stack.append(argument)
            case (
                "BINSTRING" | "SHORT_BINSTRING" | "STRING"
                | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "UNICODE"
                | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8"
            ):  # fmt: skip
                stack.append(argument)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode == "NEWTRUE")
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop(int(opcode[-1]))))
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "LIST":
                stack.append(self._pop_to_mark())
            case "APPEND":
                _extend(stack[-2], self._pop(1))
            case "APPENDS":
                items = self._pop_to_mark()
                _extend(stack[-1], items)
            case "DICT":
                items = self._pop_to_mark()
                stack.append(_update({}, items))
            case "SETITEM":
                _update(stack[-3], self._pop(2))
            case "SETITEMS":
                items = self._pop_to_mark()
                _update(stack[-1], items)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":
                module, _, name = argument.partition(" ")
                stack.append(_known(module, name))
            case "STACK_GLOBAL":
                stack.append(_known(*self._pop(2)))
            case "REDUCE":
                called, arguments = self._pop(2)
                stack.append(self._call(called, arguments))
            case "BUILD":
                target, state = self._pop(2)
                self._set_state(target, state)
                stack.append(target)
            case _:
                raise ValueError(f"refused opcode {opcode}")

    def _pop(self, count: int) -> list[Any]:
        items = self._stack[-count:]
        if len(items) < count:
            raise IndexError
        del self._stack[-count:]
        return items

    def _pop_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _call(self, called: _Global, arguments: Any) -> Any:
        match called.name, arguments:
            case "dtype", (str() as kind, *_):
                if not re.fullmatch("[iu][1248]", kind):
                    raise ValueError(f"an array of {kind[:20]!r}, not of integers")
                return _Type(kind)
            case "_reconstruct", (_Global(name="ndarray"), *_):
                return _Array()
            case "_frombuffer", (buffer, _Type() as kind, shape, order):
                return _Array(self._array(buffer, kind, shape, order))
            case "encode", (str() as text, "latin1" | "latin-1" | "latin_1"):
                return self._encoded(text)
        raise ValueError(f"refused to call {called.module}.{called.name}")

    def _set_state(self, target: Any, state: Any) -> None:
        match target, state:
            case _Type(), (3, "<" | ">" | "|" as order, None, None, None, -1, -1, 0):
                target.order = order
            case _Array(values=None), (1, shape, _Type() as kind, int() as by_column, buffer):
                target.values = self._array(buffer, kind, shape, "F" if by_column else "C")
            case _:
                raise ValueError(f"a forged state of {type(target).__name__.strip('_').lower()}")

    def _array(self, buffer: Any, kind: _Type, shape: Any, order: Any) -> NDArray[Any]:
        if type(buffer) is str:  # Python 2's bytes
            buffer = self._encoded(buffer)
        if type(buffer) not in (bytes, bytearray) or order not in ("C", "F"):
            raise ValueError("an array without bytes")
        if (
            type(shape) is not tuple
            or len(shape) > _DIMENSIONS
            or not all(type(size) is int and size >= 0 for size in shape)
        ):
            raise ValueError("an array whose shape is not of a few sizes")
        claimed = prod(shape) * kind.dtype.itemsize
        if claimed != len(buffer):
            raise ValueError(f"an array that claims {claimed} bytes and has {len(buffer)}")
        return np.frombuffer(buffer, kind.dtype).reshape(shape, order=order)

    def _encoded(self, text: str) -> bytes:
        self._encodable -= len(text)
        if self._encodable < 0:
            raise ValueError("more bytes than the pickle has")
        return text.encode("latin-1")


def _known(module: Any, name: Any) -> _Global:
    match module, name:
        case (
            ("numpy", "ndarray" | "dtype")
            | (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct")
            | (("numpy.core.numeric" | "numpy._core.numeric"), "_frombuffer")
            | ("_codecs", "encode")
        ):
            return _Global(module, name)
    if type(module) is not str or type(name) is not str:  # what else it is may be endless as text
        raise ValueError("damaged pickle (a name that is no text)")
    raise ValueError(f"refused to load {module[:40]}.{name[:40]}")


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is not list:
        raise TypeError
    target.extend(items)


def _update(target: Any, items: list[Any]) -> dict[str, Any]:
    keys = items[::2]
    if type(target) is not dict or not all(type(key) is str for key in keys):
        raise ValueError("a key that is no text")  # a tuple's hash may take for ever
    target.update(zip(keys, items[1::2], strict=True))
    return target
