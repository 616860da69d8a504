"""What tells runs from each other: the config keys in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fovea.config import identity


def run_settings(config: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Return the option of every config group and every dotted key that can change the numbers."""
    found = identity.all_settings(config, choices)
    return {key: value for key, value in found.items() if not key.endswith("._target_")}


def differing_settings(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which runs differ, in the config's order.

    The keys of a group are compared between runs that chose the same option of it: ``model.depth``
    tells two residual networks apart, but ``model=mlp,resnet`` is one difference, not twenty.

    Args:
        runs: the :func:`run_settings` of each.
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
