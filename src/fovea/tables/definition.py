"""What a table shows: ``experiments/NAME/table.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fovea.config.errors import ConfigError

Format = Literal["percent", "count", "seconds", "number"]


class Column(BaseModel):
    """One measured quantity.

    Args:
        metric: a metric (``test/accuracy``) or another entry of the run's summary.
        label: its heading.
        format: ``percent`` shows a share, ``count`` a whole number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    label: str
    format: Format = "number"


class Rows(BaseModel):
    """What tells one row from another.

    Args:
        key: a config group or a dotted config key; ``None`` is all that differs between cells.
        labels: what a value of it is called.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class TableDefinition(BaseModel):
    """A table's title, rows and columns; the defaults serve any sweep of classifiers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    rows: Rows = Rows()
    columns: list[Column] = Field(
        default=[
            Column(metric="test/accuracy", label="test accuracy", format="percent"),
            Column(metric="parameters", label="parameters", format="count"),
            Column(metric="macs", label="MACs", format="count"),
            Column(metric="seconds", label="seconds", format="seconds"),
        ],
        min_length=1,
    )


def load_definition(file: Path) -> TableDefinition:
    """Read a table's definition; the default one where there is no file.

    Raises:
        ConfigError: the file is not valid.
    """
    if not file.is_file():
        return TableDefinition()
    try:
        return TableDefinition.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ConfigError(f"{file}: {where}: {problem['msg'].lower()}") from error
