"""Dotted keys of nested mappings, as overrides name them, and the nodes that name a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def walk(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of a tree and its value: of a mapping, then those within it."""
    for key, value in node.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from walk(value, f"{prefix}{key}.")


def look_up(node: Any, key: str, default: Any = None) -> Any:
    """Return the value of a key of a tree; the default where there is no such key."""
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return default
        node = node[part]
    return node


def targets(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the place and the value of every ``_target_`` in a tree, in its lists too."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield path, node["_target_"]
        for key, value in node.items():
            yield from targets(value, (*path, str(key)))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from targets(value, (*path, str(index)))
