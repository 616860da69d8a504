"""A table's numbers at full precision: CSV for a spreadsheet, JSON for everything else."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from typing import Any

from fovea.config.printing import spreadsheet_cell
from fovea.tables.table import Entry, Row, Table

_PARTS = ("mean", "std", "n", "low", "high")
_VERDICT = ("verdict", "difference", "low", "high", "margin", "needed")


def comma_separated(table: Table) -> str:
    """Return a line per row: mean, std, n, 95 % interval and verdicts of every column; its runs.

    A verdict has its word, the difference to the published value and its interval, the margin (of a
    ratio, a share), and the n that would settle what is consistent. Where a cell has several
    published values, the second's are in columns marked 2, and so on. Text that a spreadsheet would
    compute has an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    choice = [table.choice] if table.choice else []
    most = [
        max((len(row.entries[at].published) for row in table.rows), default=0)
        for at in range(len(table.columns))
    ]
    columns = []
    for head, several in zip(table.columns, most, strict=True):
        name = head.column.metric + ("" if head.pivot is None else f" [{head.pivot}]")
        columns += [f"{name} {part}" for part in _PARTS]
        for number in range(1, several + 1):
            of_it = f"{name} verdict{'' if number == 1 else f' {number}'}"
            columns += [of_it, *(f"{of_it} {part}" for part in _VERDICT[1:])]
    writer.writerow(map(spreadsheet_cell, [*table.headings, *choice, *columns, "runs"]))
    for row in table.rows:
        numbers = [
            number
            for entry, several in zip(row.entries, most, strict=True)
            for number in [*_parts(entry), *_verdicts(entry, several)]
        ]
        chosen = [row.chosen] if table.choice else []
        cells = [*row.labels, *chosen, *numbers, " ".join(row.runs)]
        writer.writerow(map(spreadsheet_cell, cells))
    return stream.getvalue()


def as_json(table: Table) -> str:
    """Return everything a table knows, each number with the ids of its runs."""
    content = {
        "title": table.title,
        "headings": table.headings,
        "choice": table.choice,
        "baseline": table.baseline,
        "columns": [
            {"label": head.label, "pivot": head.pivot, **head.column.model_dump()}
            for head in table.columns
        ],
        "rows": [_row(row) for row in table.rows],
        "footnotes": [asdict(mark) for mark in table.marks],
        "notes": table.notes,
        "runs": {
            run: {
                "arm": result.arm,
                "overrides": result.overrides,
                "seed": result.seed,
                **result.provenance,
            }
            for run, result in table.results.items()
        },
    }
    return json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n"


def _parts(entry: Entry) -> list[float | str]:
    if entry.measurement is None:
        return ["", "", len(entry.readings), "", ""]
    numbers = asdict(entry.measurement)
    return ["" if numbers[part] is None else numbers[part] for part in _PARTS]


def _verdicts(entry: Entry, several: int) -> list[float | str]:
    parts: list[float | str] = []
    for _, verdict in entry.published:
        numbers = asdict(verdict)
        parts.append(verdict.kind)
        parts += ["" if numbers[part] is None else numbers[part] for part in _VERDICT[1:]]
    return parts + [""] * (len(_VERDICT) * several - len(parts))


def _row(row: Row) -> dict[str, Any]:
    return {
        "key": row.key,
        "labels": row.labels,
        "chosen": row.chosen,
        "entries": [
            {
                "cell": dict(entry.cell),
                "runs": entry.runs,
                "readings": {str(each): asdict(found) for each, found in entry.readings.items()},
                "measurement": entry.measurement and asdict(entry.measurement),
                "comparison": entry.comparison and asdict(entry.comparison),
                "p_holm": entry.p,
                "ratio": entry.ratio and asdict(entry.ratio),
                "best": entry.best,
                "published": [
                    {**reference.model_dump(), "verdict": asdict(verdict)}
                    for reference, verdict in entry.published
                ],
            }
            for entry in row.entries
        ],
    }


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for by its name: it is not the same as nothing."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
