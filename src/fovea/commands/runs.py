"""``fovea runs``: what has been trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import ConfigError, did_you_mean
from fovea.config.printing import say
from fovea.records import RunFolder, all_runs
from fovea.records.quantities import Quantity, of_record, quantity_of, watched

_FIRST = ("id", "model", "data", "seed", "experiment", "status", "epochs")
_LAST = ("seconds", "started")


def run(filters: Sequence[str], sort: str, reverse: bool, json: bool) -> None:
    """Print the recorded runs that match every filter, sorted by a column.

    Raises:
        ConfigError: a filter or the sort column is not one.
    """
    rows, metrics, quantities = [], {}, {}
    for folder in all_runs(paths.outputs()):
        row, summary = _row(folder)
        rows.append(row)
        if "metrics" in summary:
            metrics |= {f"{part}/{watched(summary)}": None for part in ("val", "test")}
            quantities |= of_record(summary)
    columns = [*_FIRST, *metrics, *_LAST]
    known = list(dict.fromkeys([*columns, *(key for row in rows for key in row)]))
    for item in filters:
        key, given, value = item.partition("=")
        if not given:
            raise ConfigError(f"'{item}': a filter is KEY=VALUE, for instance model=resnet")
        _check(key, known)
        rows = [row for row in rows if str(row.get(key)) == value]
    _check(sort, known)
    rows.sort(key=lambda row: _order(row.get(sort)), reverse=reverse)
    rows.sort(key=lambda row: row.get(sort) is None)
    _print_json(rows) if json else _print(rows, columns, quantities)


def _row(folder: RunFolder) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return what is listed of a run, and its summary."""
    if damage := folder.damage:
        return {"id": folder.id, "status": "damaged", "error": damage}, {}
    summary = folder.summary
    told = ("experiment", "seed", "status", "epochs", "seconds", "started", "parameters", "error")
    row = {
        "id": folder.id,
        **summary.get("choices", {}),
        **{key: summary[key] for key in told if key in summary},
        **folder.metrics,
    }
    return row, summary


def _check(key: str, known: Sequence[str]) -> None:
    if key not in known:
        raise ConfigError(
            f"no column '{key}'{did_you_mean(key, known)} (known: {', '.join(known)})"
        )


def _order(value: Any) -> tuple[bool, Any]:
    """Order numbers before text."""
    return isinstance(value, str), 0 if value is None else value


def _print(
    rows: Sequence[dict[str, Any]], columns: Sequence[str], quantities: Mapping[str, Quantity]
) -> None:
    table = Table(box=None, header_style="bold")
    for key in columns:
        table.add_column(key, no_wrap=key == "id")
    for row in rows:
        table.add_row(*(escape(_text(key, row.get(key), quantities)) for key in columns))
    console().print(table if rows else "no runs recorded")


def _text(key: str, value: Any, quantities: Mapping[str, Quantity]) -> str:
    if value is None:
        return "–"
    if "/" in key and isinstance(value, float):
        return quantity_of(key, quantities).text(value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _print_json(rows: Sequence[dict[str, Any]]) -> None:
    say(json.dumps(rows, indent=2))
