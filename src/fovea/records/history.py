"""``history.csv``: a row per epoch, in order, with every metric that was logged of it.

Columns: ``epoch``, counted from 1; ``step``, the optimizer steps to its end; ``seconds`` of its
training; metrics by name. An empty cell was not logged; ``nan`` and ``inf`` are numbers that were.
Earlier versions counted epochs from 0: a history that begins with 0 is read as if from 1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import pairwise

EpochRow = dict[str, float]


def history_from_text(text: str) -> list[EpochRow]:
    """Read a history.

    Raises:
        ValueError: it is not one.
    """
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if rows in ([], [[]]):  # no epoch yet
        return []
    heading, *cells = rows
    if "epoch" not in heading or len(set(heading)) < len(heading):
        raise ValueError("no heading with one epoch")
    history = [_row(heading, each, line) for line, each in enumerate(cells, 2)]
    for line, (row, after) in enumerate(pairwise(history), 3):
        if after["epoch"] <= row["epoch"]:
            raise ValueError(f"line {line}: epoch {after['epoch']:g} is out of order")
    return from_one(history)


def from_one(history: list[EpochRow]) -> list[EpochRow]:
    """Return a history, or that of an earlier version, with its epochs counted from 1."""
    if history and history[0]["epoch"] == 0:
        return [row | {"epoch": row["epoch"] + 1} for row in history]
    return history


def history_text(rows: Sequence[Mapping[str, float]]) -> str:
    """Return the text of a history."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _row(heading: Sequence[str], cells: Sequence[str], line: int) -> EpochRow:
    if len(cells) != len(heading):
        raise ValueError(f"line {line}: {len(cells)} values for {len(heading)} columns")
    row = {}
    for name, cell in zip(heading, cells, strict=True):
        if cell:
            try:
                row[name] = float(cell)
            except ValueError:
                raise ValueError(f"line {line}: {name} is no number") from None
    for name in ("epoch", "step"):
        if not row.get(name, 0.0).is_integer():
            raise ValueError(f"line {line}: {name} is no whole number")
    if "epoch" not in row:
        raise ValueError(f"line {line}: no epoch")
    return row
