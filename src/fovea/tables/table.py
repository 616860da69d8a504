"""A table: measured mean ± std (n) of every cell, each traceable to its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fovea.records import RunFolder
from fovea.tables.definition import Column, Format, TableDefinition
from fovea.tables.statistics import Measurement, measure

NOT_RUN = "not run"


@dataclass(frozen=True)
class Cell:
    """The runs of one config over its seeds.

    Args:
        values: what tells it from other cells: config groups and keys, as text.
        runs: every planned run, trained or not.
    """

    values: Mapping[str, str]
    runs: Sequence[RunFolder]


@dataclass(frozen=True)
class Row:
    """One line of a table: a label, a measurement per column, and the runs they are of."""

    label: str
    measured: tuple[Measurement | None, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows and columns, and notes on where runs depart from the house's protocol."""

    title: str
    heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def build_table(definition: TableDefinition, cells: Sequence[Cell]) -> Table:
    """Measure every cell from the records of its finished runs."""
    rows = []
    noted: dict[str, list[str]] = {}
    for cell in cells:
        finished = [run for run in cell.runs if run.status == "finished"]
        label = _label(definition, cell)
        for note in dict.fromkeys(note for run in finished for note in _notes(run)):
            noted.setdefault(note, []).append(label)
        rows.append(
            Row(
                label=label,
                measured=tuple(
                    measure(_values(finished, each.metric)) for each in definition.columns
                ),
                runs=tuple(run.id for run in finished),
            )
        )
    heading = definition.rows.key or "cell"
    notes = tuple(f"{', '.join(labels)}: {note}" for note, labels in noted.items())
    return Table(definition.title, heading, tuple(definition.columns), tuple(rows), notes)


def shown(measurement: Measurement | None, style: Format) -> str:
    """Return a measurement as a table shows it."""
    if measurement is None:
        return NOT_RUN
    mean, std, n = measurement.mean, measurement.std, measurement.n
    if style == "count":
        return f"{mean:,.0f}"
    if style == "seconds":
        return f"{mean:.1f}"
    scale, digits, unit = (100, 2, " %") if style == "percent" else (1, 4, "")
    spread = "" if std is None else f" ± {std * scale:.{digits}f}"
    return f"{mean * scale:.{digits}f}{spread}{unit} (n = {n})"


def _label(definition: TableDefinition, cell: Cell) -> str:
    key, labels = definition.rows.key, definition.rows.labels
    if key is None:
        return " ".join(f"{name}={value}" for name, value in cell.values.items())
    value = cell.values.get(key, "–")
    return labels.get(value, value)


def _notes(run: RunFolder) -> list[str]:
    summary = run.summary
    skipped = summary.get("skipped", 0)
    return [
        *summary.get("protocol", []),
        *([f"{skipped} samples that could not be read were left out"] if skipped else []),
    ]


def _values(runs: Sequence[RunFolder], metric: str) -> list[float]:
    """Return a metric of each run that recorded it; what was no number is NaN, not left out."""
    recorded = [{**run.summary, **run.metrics} for run in runs]
    values = [each[metric] for each in recorded if metric in each]
    return [math.nan if value is None else float(value) for value in values]
