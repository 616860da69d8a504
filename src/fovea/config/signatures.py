"""Signatures of classes and functions, read from their source text; nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, get_args

from fovea.config.annotations import NAMES, resolve
from fovea.config.errors import ConfigError
from fovea.config.trust import find_top_level
from fovea.config.types import UNSCIENTIFIC

MISSING = object()  # an argument has no default, or one that is no literal

_PLAIN_BASES = ("ABC", "Generic", "Module", "Protocol", "object")  # whose constructors take nothing
_DEPTH = 8  # base classes followed from one to the next


@dataclass(frozen=True)
class Argument:
    """One argument of a signature.

    Args:
        type: what its annotation means; ``Any`` where only torch or its module knows.
        default: a literal, or ``MISSING``.
        names_object: its annotation is the name of a class, so that only a node gives a value.
    """

    type: Any
    default: Any = MISSING
    names_object: bool = False

    @property
    def scientific(self) -> bool:
        """Whether its value can change a run's numbers: it is not ``Unscientific``."""
        return UNSCIENTIFIC not in get_args(self.type)[1:]


@dataclass(frozen=True)
class _Module:
    name: str
    tree: ast.Module


@cache
def signature(target: str) -> Mapping[str, Argument] | None:
    """Return the arguments of a class's constructor or of a function, by name.

    Args:
        target: dotted path, for instance ``fovea.models.resnet.ResNet``.

    Returns:
        The arguments, or ``None`` where the target is not a plain class or function of a Python
        source file, or takes ``**kwargs``.

    Raises:
        ConfigError: fovea has no such module, class or function, or the file is not Python.
    """
    name, _, attribute = target.rpartition(".")
    module = _module(name)
    if module is None:
        if target.startswith("fovea."):
            raise ConfigError(f"_target_={target}: no module {name}")
        return None
    definition = _named(module.tree.body, attribute)
    if definition is None:
        if target.startswith("fovea."):
            raise ConfigError(f"_target_={target}: no '{attribute}' in {name}")
        return None
    return _arguments(definition, module, _DEPTH)


def _arguments(definition: ast.stmt, module: _Module, depth: int) -> dict[str, Argument] | None:
    """Return the arguments of a function, of a constructor, inherited or not, or of a dataclass."""
    if isinstance(definition, ast.FunctionDef):
        return _parameters(definition, module)
    if not isinstance(definition, ast.ClassDef) or not depth:
        return None
    if isinstance(init := _named(definition.body, "__init__"), ast.FunctionDef):
        return _parameters(init, module)
    arguments: dict[str, Argument] = {}
    for base in reversed(definition.bases):
        if _last(base) in _PLAIN_BASES:
            continue
        found = _base(base, module)
        inherited = found and _arguments(*found, depth - 1)
        if inherited is None:
            return None
        arguments.update(inherited)
    if "dataclass" in map(_last, definition.decorator_list):
        names = {**NAMES, **_aliases(module)}
        for node in definition.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                arguments[node.target.id] = _argument(node.annotation, node.value, names)
    return arguments


def _parameters(function: ast.FunctionDef, module: _Module) -> dict[str, Argument] | None:
    given = function.args
    if given.kwarg:
        return None
    names = {**NAMES, **_aliases(module)}
    without_default = [None] * (len(given.args) - len(given.defaults))
    pairs = [
        *zip(given.args, [*without_default, *given.defaults], strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    return {
        each.arg: _argument(each.annotation, default, names)
        for each, default in pairs
        if each.arg != "self"
    }


def _argument(
    annotation: ast.expr | None, default: ast.expr | None, names: Mapping[str, Any]
) -> Argument:
    try:
        value = MISSING if default is None else ast.literal_eval(default)
    except ValueError:
        value = MISSING
    names_object = isinstance(annotation, ast.Name) and annotation.id not in {*names, "Path"}
    return Argument(resolve(annotation, names), value, names_object)


def _last(node: ast.expr) -> str:
    """Return the last name of ``a.b``, ``b``, ``b[...]`` or ``b(...)``."""
    match node:
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _base(node: ast.expr, module: _Module) -> tuple[ast.stmt, _Module] | None:
    """Return the definition of a base class, in this module or in one that it is imported from."""
    if isinstance(node, ast.Name) and (own := _named(module.tree.body, node.id)):
        return own, module
    for alias, origin, name in _imports(module):
        if isinstance(node, ast.Name) and alias == node.id and name:
            found, attribute = _module(origin), name
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == alias:
            found, attribute = _module(f"{origin}.{name}" if name else origin), node.attr
        else:
            continue
        definition = found and _named(found.tree.body, attribute)
        return (definition, found) if found and definition else None
    return None


def _imports(module: _Module) -> Iterator[tuple[str, str, str]]:
    """Yield what a module imports: the name it has there, the module, and the name in that."""
    for node in module.tree.body:
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.asname or each.name, each.name, ""
        elif isinstance(node, ast.ImportFrom):
            parents = module.name.split(".")[: -node.level] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            for each in node.names:
                yield each.asname or each.name, origin, each.name


def _named(body: Iterable[ast.stmt], name: str) -> ast.stmt | None:
    return next((node for node in body if getattr(node, "name", None) == name), None)


def _aliases(module: _Module) -> dict[str, Any]:
    """Evaluate the type aliases (``Name = Literal[...]``) of a module and those it imports."""
    aliases: dict[str, Any] = {}
    for alias, origin, name in _imports(module):
        if origin.startswith("fovea.") and (theirs := _module(origin)):
            known = _aliases_of(theirs.name)
            if name in known:
                aliases[alias] = known[name]
    for node in module.tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Subscript)
        ):
            value = resolve(node.value)
            if value is not Any:
                aliases[node.targets[0].id] = value
    return aliases


@cache
def _aliases_of(name: str) -> dict[str, Any]:
    module = _module(name)
    return _aliases(module) if module else {}


@cache
def _module(name: str) -> _Module | None:
    source = source_file(name)
    return None if source is None else _Module(name, _parsed(source))


def source_file(module: str) -> Path | None:
    """Find a module's file without importing it or its parents."""
    path: Any = None
    spec = None
    qualified = ""
    for part in module.split("."):
        qualified = f"{qualified}.{part}" if qualified else part
        try:
            top = qualified == part
            spec = find_top_level(part) if top else PathFinder.find_spec(qualified, path)
        except (KeyError, ValueError):  # below a folder without __init__.py; an empty name
            return None
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _parsed(source: Path) -> ast.Module:
    try:
        return ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f"{source}:{error.lineno}" if isinstance(error, SyntaxError) else str(source)
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise ConfigError(f"{place}: cannot be read as Python ({reason})") from error
