"""``experiments/NAME/histories.csv``: the metrics of every epoch of the published runs.

Columns: ``id`` of the run, ``epoch`` and ``step`` as in a record's ``history.csv``
(:mod:`fovea.records.history`), metrics and the learning rate by name, to six digits.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from fovea.config.errors import RecordError, one_line
from fovea.config.files import read_text
from fovea.records.history import EpochRow, history_from_text

HISTORIES = "histories.csv"
_COUNTS = ("epoch", "step")


def read_histories(folder: Path) -> dict[str, list[EpochRow]]:
    """Return the histories of an experiment's published runs by id; none where there is no file.

    Raises:
        RecordError: the file is damaged.
    """
    file = folder / HISTORIES
    try:
        lines = list(csv.reader(io.StringIO(read_text(file, RecordError, remedy="restore it"))))
        if not lines or lines[0][:1] != ["id"] or not all(lines):
            raise ValueError("no heading with the runs' ids")
        heading, *rows = lines
        found = {}
        for run in dict.fromkeys(row[0] for row in rows):
            text = io.StringIO()
            csv.writer(text).writerows([heading[1:], *(row[1:] for row in rows if row[0] == run)])
            try:
                found[run] = history_from_text(text.getvalue())
            except ValueError as error:  # its line is one of this run's
                raise ValueError(f"run {run}: {str(error).partition(': ')[2]}") from None
    except FileNotFoundError:
        return {}
    except (ValueError, csv.Error) as error:
        raise RecordError(f"{file}: {one_line(error, 100)}; restore it") from None
    return found


def histories_text(histories: Mapping[str, Sequence[EpochRow]]) -> str:
    """Return the text of a ``histories.csv``; '' for no epoch."""
    told = [(run, _told(row)) for run, rows in histories.items() for row in rows]
    if not told:
        return ""
    names = sorted({name for _, row in told for name in row} - {*_COUNTS})
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["id", *_COUNTS, *names], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"id": run, **row} for run, row in told)
    return stream.getvalue()


def _told(row: EpochRow) -> EpochRow:
    counts = {name: int(row[name]) for name in _COUNTS if name in row}
    metrics = {name: float(f"{row[name]:.6g}") for name in row if "/" in name or name == "lr"}
    return {**counts, **metrics}
