"""Groups of which a run may have several options: ``metrics=[auroc,calibration]``.

Hydra would merge the files of such a list into one node. The list is rewritten into Hydra's own
syntax of packages, so that each option is a node at a key of its own name:
``+metrics@metrics.auroc=auroc``. A node of a group that has no ``_target_`` holds such nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SEVERAL = ("probe", "metrics", "tracking")
KEYED = ("metrics",)  # at a key of its own, also where there is one only

_LIST = re.compile(r"\[([^\[\]]*)\]")
_ONE = re.compile(r"['\"]?(\w[\w-]*)['\"]?")


def rewritten(overrides: Iterable[str]) -> list[str]:
    """Return overrides as Hydra is given them: each option of a list in a package of its own.

    A sweep (``metrics=auroc,top3``) stays as it is.
    """
    found = []
    for each in overrides:
        group, _, value = each.partition("=")
        if (names := _names(group, value)) is None:
            found.append(each)
        else:
            found.append(f"{group}=[]")  # less its default
            found += [f"+{group}@{group}.{name}={name}" for name in names]
    return found


def _names(group: str, value: str) -> list[str] | None:
    """Return the options that an override lists; ``None`` where it is no list."""
    if group in SEVERAL and (several := _LIST.fullmatch(value.strip())):
        return [each.strip().strip("'\"") for each in several[1].split(",") if each.strip()]
    if group in KEYED and value != "null" and (one := _ONE.fullmatch(value)):
        return [one[1]]
    return None


def nodes(group: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the node of a group and its path, or each of several: ``tracking.wandb``.

    Args:
        group: a config group.
        config: resolved, as plain containers; it may lack the group.
    """
    node = config.get(group)
    if group in SEVERAL and isinstance(node, Mapping) and "_target_" not in node:
        for name, each in node.items():
            yield f"{group}.{name}", each
    elif node is not None:
        yield group, node


def steering(monitor: object, stop: object) -> set[str]:
    """Return the names of the metrics by which a training is steered.

    Args:
        monitor: ``trainer.monitor``, for instance ``val/auroc``.
        stop: ``trainer.stop``, a mapping with a ``metric``, or ``None``.
    """
    named = [monitor, stop.get("metric") if isinstance(stop, Mapping) else None]
    return {each.rpartition("/")[2] for each in named if isinstance(each, str)}
