"""Annotations read as types, from their source text: nothing of it is evaluated as Python."""

from __future__ import annotations

import ast
import collections.abc
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fovea.config import types

_BUILTIN = (bool, bytes, complex, dict, float, frozenset, int, list, object, set, str, tuple, type)
_TYPING = (
    *("Annotated", "Any", "Callable", "Dict", "FrozenSet", "Iterable", "List", "Literal"),
    *("Mapping", "Optional", "Sequence", "Set", "Tuple", "Type", "Union"),
)
_ABSTRACT = ("Callable", "Collection", "Iterable", "Iterator", "Mapping", "Sequence", "Set")
_BOUNDS = (types.Ge, types.Gt, types.Le, types.Lt)
_MODULES = ("typing", "collections.abc")  # whose names may be written in full

NAMES: Mapping[str, Any] = {
    **{each.__name__: each for each in _BUILTIN},
    **{name: getattr(typing, name) for name in _TYPING},
    **{name: getattr(collections.abc, name) for name in _ABSTRACT},
    **{name: value for name, value in vars(types).items() if typing.get_origin(value) is Annotated},
}


class _UnknownError(Exception):
    """It names what only its own module knows, or is more than a type."""


def resolve(annotation: ast.expr | None, names: Mapping[str, Any] = NAMES) -> Any:
    """Return the type that an annotation means, or ``Any`` where only torch or the module knows.

    Names, subscripts, ``|`` and quoted annotations are understood, and within ``Annotated`` the
    bounds ``Ge Gt Le Lt`` of a number; calls, attributes and all else are not.
    """
    if annotation is None:
        return Any
    try:
        return _type(annotation, names)
    except (_UnknownError, TypeError, SyntaxError, ValueError, RecursionError):
        return Any


def _type(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _type(ast.parse(text.strip(), mode="eval").body, names)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Attribute(value=module, attr=name) if ast.unparse(module) in _MODULES:
            return _type(ast.Name(name), NAMES)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type(left, names) | _type(right, names)
        case ast.Subscript(value=generic, slice=inner):
            outer = _type(generic, names)
            several = isinstance(inner, ast.Tuple)
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if outer is Literal:
                found = [_constant(part) for part in parts]
            elif outer is Annotated:
                found = [_type(parts[0], names), *(_bound(part) for part in parts[1:])]
            else:
                found = [_argument(part, names) for part in parts]
            return outer[tuple(found) if several else found[0]]
    raise _UnknownError


def _argument(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return an argument of a generic type; ``...`` and lists of types are those of callables."""
    match node:
        case ast.Constant(value=value) if value is Ellipsis:
            return value
        case ast.List(elts=elements):
            return [_type(each, names) for each in elements]
    return _type(node, names)


def _constant(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | str() | bytes() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return -value
    raise _UnknownError


def _bound(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[limit], keywords=[]):
            for bound in _BOUNDS:
                if name == bound.__name__:
                    return bound(_number(limit))
    raise _UnknownError


def _number(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    raise _UnknownError
