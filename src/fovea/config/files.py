"""Text files that people write: read whole or not at all, within bounds, and refused in one line.

A file may be somebody else's. Its size, depth and what its YAML aliases expand to are bounded
before anything is built of it, and no tag is followed. The message of every error is one line:
``FILE:LINE: what is wrong; what to do``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.parser import ParserError
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from fovea.config.errors import ConfigError, FoveaError
from fovea.config.regular import read_regular

_DEPTH = 50  # levels of lists and mappings within each other
_ALIASED = 10_000  # values that the aliases of a YAML file may stand for, all together
_MB = 10**6
_NOT_YAML = (ScannerError, ParserError, ComposerError)


def read_text(
    file: Path, error: type[FoveaError] = ConfigError, *, limit: int = 16 * _MB, remedy: str = ""
) -> str:
    """Read a UTF-8 text file.

    Args:
        file: the file; a byte order mark at its start is dropped.
        error: what to raise.
        limit: bytes it may have.
        remedy: what to do where the file cannot be read; the end of the message.

    Raises:
        FileNotFoundError: there is none.
        FoveaError: of type ``error``: not a regular file, unreadable, too large, or not UTF-8.
    """
    try:
        content = read_regular(file, limit)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:  # ValueError: a NUL byte in the name
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{file}: cannot be read ({reason}){_then(remedy)}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        what = f"byte 0x{content[problem.start]:02x} is not UTF-8"
        raise error(f"{file}:{line}: {what}{_then(remedy or 'save it as UTF-8')}") from None


def read_yaml(
    file: Path,
    error: type[FoveaError] = ConfigError,
    *,
    limit: int = _MB,
    remedy: str = "",
    exponents: bool = False,
) -> Any:
    """Read a YAML file: what ``yaml.safe_load`` returns, but dates stay text.

    Args:
        file, error, limit, remedy: as of :func:`read_text`.
        exponents: ``1e-3`` is a number, as in Hydra's configs; else text, as YAML 1.1 has it.

    Raises:
        FileNotFoundError: there is none.
        FoveaError: of type ``error``: as of :func:`read_text`; not YAML, a tag, a key that occurs
            twice, too deep, or aliases that expand to too much.
    """
    text = read_text(file, error, limit=limit, remedy=remedy)
    loader = (_HydraLoader if exponents else _Loader)(text)
    try:
        _check_events(text)
        value = loader.get_single_data()
        _check_depth(value)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        hint = "indent with spaces, not tabs" if "\t" in _line(text, line) else "fix that line"
        what = problem.problem or problem.context
        if isinstance(problem, _NOT_YAML):
            what = f"not YAML ({what})"
        raise error(f"{file}:{line}: {what}{_then(remedy or hint)}") from None
    except ReaderError as problem:
        line = text.encode().count(b"\n", 0, problem.position) + 1
        what = f"{problem.reason} (U+{ord(_character(problem)):04X})"
        raise error(f"{file}:{line}: {what}{_then(remedy or 'remove the character')}") from None
    except _TooDeepError as problem:
        raise error(f"{file}: {problem}{_then(remedy)}") from None
    finally:
        loader.dispose()
    return value


def read_json(
    file: Path,
    error: type[FoveaError] = ConfigError,
    *,
    limit: int = 64 * _MB,
    remedy: str = "",
) -> Any:
    """Read a JSON file.

    Args:
        file, error, limit, remedy: as of :func:`read_text`.

    Raises:
        FileNotFoundError: there is none.
        FoveaError: of type ``error``: as of :func:`read_text`; not JSON, or too deep.
    """
    text = read_text(file, error, limit=limit, remedy=remedy)
    try:
        value = json.loads(text)
        _check_depth(value)
    except json.JSONDecodeError as problem:
        reason = problem.msg.removesuffix(" starting at")
        what = f"not JSON ({reason[:1].lower()}{reason[1:]})"
        raise error(f"{file}:{problem.lineno}: {what}{_then(remedy or 'fix that line')}") from None
    except ValueError as problem:  # more digits than Python makes a number of
        raise error(f"{file}: {str(problem).partition(';')[0]}{_then(remedy)}") from None
    except (RecursionError, _TooDeepError):
        raise error(f"{file}: {_TooDeepError()}{_then(remedy)}") from None
    return value


def _then(remedy: str) -> str:
    return f"; {remedy}" if remedy else ""


def _line(text: str, number: int) -> str:
    lines = text.split("\n", number)
    return lines[number - 1] if number <= len(lines) else ""


def _character(problem: ReaderError) -> str:
    found: Any = problem.character  # bytes of the pure Python reader, else a number
    return chr(found) if isinstance(found, int) else found.decode("latin-1")


class _TooDeepError(Exception):
    def __str__(self) -> str:
        return f"lists and mappings nested more than {_DEPTH} levels deep"


def _check_depth(value: Any) -> None:
    """Refuse containers nested too deep; recursion over what passes is safe."""
    level: list[Any] = [[value]]
    for _ in range(_DEPTH + 1):
        level = [each for container in level for each in _containers(container)]
        if not level:
            return
    raise _TooDeepError


def _containers(value: Any) -> Iterator[Any]:
    items = value.values() if isinstance(value, Mapping) else value
    yield from (each for each in items if isinstance(each, dict | list))


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is five times as fast


def _check_events(text: str) -> None:
    """Refuse, before a value is built: deep nesting, tags, aliases of itself or of too much."""
    values = aliased = 0
    opened: list[tuple[str | None, int]] = []  # anchor, and how many values came before
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=_Parser):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in opened):
                raise _refused(event, f"*{event.anchor} is an alias of what it stands in")
            aliased += sizes.get(event.anchor, 1)
            values += sizes.get(event.anchor, 1)
            if aliased > _ALIASED:
                raise _refused(event, f"aliases stand for more than {_ALIASED:,} values")
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise _refused(event, f"tag {tag}: tags are not read")
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, values - 1))
                if len(opened) > _DEPTH:
                    raise _refused(event, str(_TooDeepError()))


def _refused(at: yaml.Event | yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


class _Loader(_Parser):
    """The safe loader without dates; a key that occurs twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the base class has it so)
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Parser.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError) as problem:  # "0x_", or too many digits
            raise _refused(node, str(problem).partition(";")[0]) from None

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _refused(key, f"key '{key.value}' occurs twice")
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep=deep)


class _HydraLoader(_Loader):
    """Reads numbers as OmegaConf does."""


_HydraLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
