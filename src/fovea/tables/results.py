"""Results: what a table is built from, one per run, of a run's record or of a published row.

``experiments/NAME/results.csv`` has one row per run. Its last column is a digest of the row: a
number changed by hand is found, wherever it stands. A row and its digest forged together are not;
they differ from the run's record, and from what the same run gives when it is trained again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fovea.config import paths
from fovea.config.errors import RecordError, one_line
from fovea.config.files import read_text
from fovea.config.printing import without_formula
from fovea.records import RunFolder
from fovea.records.quantities import Quantity, of_record
from fovea.tables.expressions import Reading, parse_metric

FILE = "results.csv"
_PROVENANCE = ("hardware", "versions", "code", "uncommitted", "data")
# Provenance that earlier files lack.
_LATER = ("precision", "threads", "numerics", "hardware_class")
_FIRST = ("id", "arm", "overrides", "seed", *_PROVENANCE, "notes")
_DIGEST = "digest"
_NOTES = " ;; "


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Args:
        id: the run's.
        seed: of its random numbers.
        values: metrics, other numbers of its summary, and computed expressions, by name.
        notes: where it departs from the house's protocol.
        provenance: ``hardware``, ``versions``, ``code`` (commit), ``uncommitted`` (changes beside
            it), ``data`` (fingerprint), ``precision`` (as resolved), ``threads``, ``numerics``
            (:mod:`fovea.config.numerics`) and ``hardware_class``, as text.
        arm: the names of its arms, in an experiment that has such.
        overrides: what tells its config from those of the experiment's other cells.
        outdated: what has changed since, as notes: fovea's numbers, or keys of its config, if it
            stands in for a planned run of another.
        quantities: what each metric is.
        recorded: it was read from a run's record on this machine, not from a published row.
    """

    id: str
    seed: int
    values: Mapping[str, Reading]
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    arm: str = ""
    overrides: str = ""
    outdated: tuple[str, ...] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=lambda: of_record({}))
    recorded: bool = True


def from_record(run: RunFolder, seed: int, metrics: Iterable[str]) -> Result:
    """Read the result of a finished run from its record.

    Args:
        metrics: expressions to compute from its history.

    Raises:
        RecordError: a file of it is damaged.
    """
    summary = run.summary
    numbers = {
        name: value
        for name, value in summary.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name != "seed"
    }
    recorded = numbers | {
        name: math.nan if value is None else value for name, value in run.metrics.items()
    }
    computed = [parse_metric(each) for each in metrics]
    computed = [each for each in computed if each.function is not None]
    history = run.history() if computed else []
    quantities = of_record(summary)
    readings = {str(each): each.read(recorded, history, quantities) for each in computed}
    return Result(
        id=run.id,
        seed=seed,
        values={name: Reading(value) for name, value in recorded.items()}
        | {name: reading for name, reading in readings.items() if reading is not None},
        notes=_notes(summary),
        provenance=_provenance(run),
        quantities=quantities,
    )


def published(name: str) -> dict[str, Result]:
    """Return the published results of an experiment by run id; none where it has none.

    Raises:
        RecordError: the file is damaged, or was changed by hand.
    """
    folder = paths.experiment(name)
    file = folder / FILE if folder else None
    if file is None or not file.exists():
        return {}
    remedy = f"restore it, or write it from records: fovea table {name} --publish"
    try:
        return from_text(read_text(file, RecordError, remedy=remedy))
    except ValueError as error:
        raise RecordError(f"{file}: {one_line(error, 100)}; {remedy}") from error


def from_text(text: str) -> dict[str, Result]:
    """Read the text of a ``results.csv``.

    Raises:
        ValueError: it is not one, or a row is not what its digest says.
    """
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ValueError(f"not CSV ({error})") from error
    if not rows or not {*_FIRST, _DIGEST} <= set(rows[0]):
        raise ValueError("no heading, or columns are missing")
    results = {}
    for number, cells in enumerate(rows[1:], 2):
        if len(cells) != len(rows[0]):
            raise ValueError(f"line {number}: {len(cells)} values for {len(rows[0])} columns")
        row = {key: cell.removeprefix("'") for key, cell in zip(rows[0], cells, strict=True)}
        if row.pop(_DIGEST) != _digest(row):
            raise ValueError(f"line {number} (run {row['id']}): was changed after it was published")
        if row["id"] in results:
            raise ValueError(f"line {number}: run {row['id']} occurs twice")
        results[row["id"]] = _from_row(row)
    return results


def to_text(results: Sequence[Result], metrics: Iterable[str]) -> str:
    """Return the text of a ``results.csv``; an apostrophe keeps spreadsheets from computing text.

    Args:
        results: its rows.
        metrics: the expressions the table uses; computed ones it does not use are left out.
    """
    used = set(metrics)
    names = sorted(
        {name for result in results for name in result.values if name in used or "(" not in name}
    )
    later = [key for key in _LATER if any(each.provenance.get(key) for each in results)]
    columns = [*_FIRST[:-1], *later, _FIRST[-1], *names]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*columns, _DIGEST])
    for result in results:
        row = _to_row(result, names)
        writer.writerow([*(without_formula(row[column]) for column in columns), _digest(row)])
    return stream.getvalue()


def _to_row(result: Result, names: Sequence[str]) -> dict[str, str]:
    return {
        "id": result.id,
        "arm": result.arm,
        "overrides": result.overrides,
        "seed": str(result.seed),
        **{key: result.provenance.get(key, "") for key in (*_PROVENANCE, *_LATER)},
        "notes": _NOTES.join(result.notes),
        **{name: str(result.values.get(name, "")) for name in names},
    }


def _from_row(row: Mapping[str, str]) -> Result:
    return Result(
        id=row["id"],
        seed=int(row["seed"]),
        values={
            name: _reading(text)
            for name, text in row.items()
            if text and name not in (*_FIRST, *_LATER)
        },
        notes=tuple(filter(None, row["notes"].split(_NOTES))),
        provenance={key: row.get(key, "") for key in (*_PROVENANCE, *_LATER)},
        arm=row["arm"],
        overrides=row["overrides"],
        recorded=False,
    )


def _reading(text: str) -> Reading:
    bare = text.removeprefix("> ")
    value = int(bare) if re.fullmatch(r"-?\d+", bare) else float(bare)
    return Reading(value, censored=bare != text)


def _digest(row: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits over what a row says; an empty cell says nothing."""
    said = "\n".join(f"{name}={row[name]!r}" for name in sorted(row) if row[name])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _notes(summary: Mapping[str, Any]) -> tuple[str, ...]:
    notes = list(summary.get("protocol", []))
    if skipped := summary.get("skipped"):
        notes.append(f"{skipped} samples that could not be read were left out")
    if summary.get("diverged"):
        notes.append("training diverged: its loss was not finite")
    return tuple(notes)


def _provenance(run: RunFolder) -> dict[str, str]:
    environment = run.read("environment.json")
    hardware = environment.get("hardware", {})
    git = environment.get("git", {})
    packages = environment.get("packages", {})
    threads = environment.get("threads")
    resolved = environment.get("resolved", {})
    machine = [
        hardware.get("processor"),
        f"{hardware.get('cores')} cores",
        *hardware.get("gpus", []),
    ]
    versions = {"fovea": environment.get("fovea"), "python": environment.get("python"), **packages}
    return {
        "hardware": ", ".join(map(str, machine)) if hardware else "",
        "versions": ", ".join(f"{name} {found}" for name, found in versions.items() if found),
        "code": git.get("sha") or "",
        "uncommitted": {True: "yes", False: "no"}.get(git.get("dirty"), ""),
        "data": run.read("data.json").get("fingerprint", ""),
        "precision": resolved.get("precision") or "",
        "threads": str(threads) if threads else "",
        "numerics": str(environment.get("numerics") or ""),
        "hardware_class": resolved.get("hardware", ""),
    }
