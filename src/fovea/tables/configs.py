"""``experiments/NAME/configs.jsonl``: the scientific config of every published run, one per line.

A published row is found by its config, of which its id is a short name: a later rule of ids, or a
class that has moved, loses no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fovea.config.errors import RecordError, one_line
from fovea.config.files import read_text
from fovea.config.identity import ID_VERSION, Scientific, run_id

CONFIGS = "configs.jsonl"


@dataclass(frozen=True)
class Published:
    """The config of a published run.

    Args:
        id: the run's, as its row in ``results.csv`` has it.
        id_version: of the rule that gave it its id.
        config: see :mod:`fovea.config.identity`.
    """

    id: str
    id_version: int
    config: Scientific

    @classmethod
    def of(cls, run: str, config: Scientific) -> Published:
        """Describe a run of today; its record may be of an earlier rule."""
        return cls(run, ID_VERSION if run_id(config) == run else 1, config)


def read_configs(folder: Path) -> dict[str, Published]:
    """Return the configs of an experiment's published runs by id; none where there is no file.

    Raises:
        RecordError: the file is damaged.
    """
    file = folder / CONFIGS
    try:
        text = read_text(file, RecordError, remedy="restore it")
    except FileNotFoundError:
        return {}
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            each = Published(**json.loads(line))
            if not isinstance(each.config, Mapping) or not isinstance(each.id, str):
                raise TypeError("no id, or no config")
        except (ValueError, TypeError, RecursionError) as error:
            raise RecordError(f"{file}:{number}: {one_line(error, 80)}; restore it") from error
        found[each.id] = each
    return found


def configs_text(configs: Iterable[Published]) -> str:
    """Return the text of a ``configs.jsonl``."""
    lines: list[dict[str, Any]] = [
        {"id": each.id, "id_version": each.id_version, "config": each.config} for each in configs
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
