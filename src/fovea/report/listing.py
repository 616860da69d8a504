"""The table of runs: a line per run, of cells that are read as text and sorted by number."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fovea.records.quantities import of_record, quantity_of
from fovea.report.entries import ReportedRun
from fovea.report.runs import Overview


@dataclass(frozen=True)
class Field:
    """What a column says of a run: its text, and the number it is sorted and filtered by."""

    text: str
    number: float | None = None

    @property
    def is_number(self) -> bool:
        return self.number is not None


@dataclass(frozen=True)
class Line:
    """One run: its cells by column, where its folder is, and what trains it again."""

    id: str
    status: str
    error: str | None
    link: str | None
    command: str | None
    cells: dict[str, Field]


def listing(overview: Overview, folder: Path) -> list[Line]:
    """Return a line per run.

    Args:
        overview: the runs.
        folder: where the page will be: links are relative to it.
    """
    keys = list(dict.fromkeys([*overview.keys, "seed"]))
    metrics = [name for name in overview.metrics if not name.startswith("train/")]
    return [
        Line(
            id=entry.id,
            status=entry.status,
            error=entry.summary.get("error"),
            link=_link(entry.folder.path, folder),
            command=entry.command,
            cells={key: _cell(entry.settings.get(key)) for key in keys}
            | {"epochs": Field(entry.epochs, entry.trained)}
            | {name: _metric(entry, name) for name in metrics}
            | {
                "seconds": _cell(entry.summary.get("seconds")),
                "started": Field(_moment(entry.summary.get("started", ""))),
            },
        )
        for entry in overview.entries
    ]


def _link(path: Path, folder: Path) -> str | None:
    return quote(f"{os.path.relpath(path, folder)}/") if path.is_dir() else None


def _metric(entry: ReportedRun, name: str) -> Field:
    if name not in entry.metrics:
        return Field("–")
    value = entry.metrics[name]
    if value is None:
        return Field("NaN")
    quantity = quantity_of(name, of_record(entry.summary))
    return Field(quantity.text(value) if quantity.format == "percent" else f"{value:.4g}", value)


def _cell(value: Any) -> Field:
    if value is None:
        return Field("–")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Field(f"{value:.6g}", value)
    return Field(str(value))


def _moment(started: str) -> str:
    """Return a time as it is read: to the minute, without the ``T``."""
    return started[:16].replace("T", " ") or "–"
