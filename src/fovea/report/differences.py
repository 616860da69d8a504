"""What tells runs from each other: the config keys in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fovea.config.identity import is_scientific, scientific


def settings(config: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Return the option of every config group and every dotted key that can change the numbers."""
    chosen = {group: option for group, option in choices.items() if is_scientific(group)}
    return chosen | dict(_dotted(scientific(config), ""))


def differing(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which runs differ, in the config's order.

    The keys of a group are compared between runs that chose the same option of it: ``model.depth``
    tells two residual networks apart, but ``model=mlp,resnet`` is one difference, not twenty.

    Args:
        runs: the :func:`settings` of each.
    """
    keys = dict.fromkeys(key for run in runs for key in run)
    return [key for key in keys if _differs(key, runs)]


def _differs(key: str, runs: Sequence[Mapping[str, Any]]) -> bool:
    group = key.partition(".")[0]
    seen: dict[Any, set[str]] = {}
    for run in runs:
        option = run.get(group) if group != key else None
        seen.setdefault(option, set()).add(str(run.get(key)))
    return any(len(values) > 1 for values in seen.values())


def _dotted(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield prefix + key, value
