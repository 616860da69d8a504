"""``fovea compare``: runs against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import ConfigError, FoveaError
from fovea.config.printing import say
from fovea.records import RunFolder, find_run, write_atomic
from fovea.records.quantities import watched

_NAMED = 6  # runs that a picture's name lists


def run(runs: Sequence[str]) -> None:
    """Print how configs and metrics differ and a paired test; draw the curves in one picture.

    Raises:
        FoveaError: there are not two runs, or a record is missing or damaged.
    """
    outputs = paths.outputs()
    records = list(dict.fromkeys(find_run(outputs, each) for each in runs))
    if len(records) < 2:
        raise ConfigError(f"compare needs two runs or more, and {', '.join(runs)} is one")
    from fovea.report.differences import differing_settings, run_settings
    from fovea.training.tracking.curves import overlaid_curves

    told = {each.id: run_settings(each.config, each.summary.get("choices", {})) for each in records}
    histories = {each.id: each.history() for each in records}
    keys = differing_settings(list(told.values()))
    _print("config", {key: [each.get(key, "–") for each in told.values()] for key in keys}, records)
    metrics = dict.fromkeys(name for each in records for name in each.metrics)
    status = {"status": [each.status for each in records]}
    _print("metric", status | {name: _measured(name, records) for name in metrics}, records)
    _print_pairs(records)

    picture = outputs / "comparisons" / f"{_name(list(told))}.png"
    titles = {each.id: f"{each.id} {each.summary.get('name', '')}" for each in records}
    curves = {titles[key]: history for key, history in histories.items()}
    write_atomic(picture, overlaid_curves(curves, watched(records[0].summary)))
    say(picture)


def _print(heading: str, values: Mapping[str, Sequence[Any]], records: Sequence[RunFolder]) -> None:
    """Print a line per key and a column per run."""
    extra = ["difference"] if any(len(row) > len(records) for row in values.values()) else []
    table = Table(heading, *(escape(each.id) for each in records), *extra)
    for key, row in values.items():
        table.add_row(*(escape(str(cell)) for cell in (key, *row)))
    console().print(table if values else f"no difference in {heading}")


def _measured(metric: str, records: Sequence[RunFolder]) -> list[str]:
    """Return a metric of every run and, of two, how much the second has more."""
    values = [each.metrics.get(metric, "–") for each in records]
    cells = ["NaN" if each is None else _text(each) for each in values]
    numbers = [each for each in values if isinstance(each, float)]
    if len(values) == 2:
        cells.append(f"{numbers[1] - numbers[0]:+.4f}" if len(numbers) == 2 else "")
    return cells


def _text(value: float | str) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _print_pairs(records: Sequence[RunFolder]) -> None:
    from fovea.problems.recorded import predictions_of
    from fovea.report.paired import Tested, compare_pairs

    try:
        tested = {
            each.id: Tested(predictions_of(each), each.read("data.json").get("fingerprint", ""))
            for each in records
        }
        pairs = compare_pairs(tested)
    except FoveaError as error:
        say(f"no paired test: {error}")
        return
    headings = ("pair", "samples", "first better", "second better", "p", "Holm-corrected p")
    table = Table(*headings)
    for pair in pairs:
        counts = (str(each) for each in (pair.samples, pair.first_better, pair.second_better))
        chances = (f"{pair.p:.2g}", f"{pair.adjusted:.2g}")
        table.add_row(escape(f"{pair.first} {pair.second}"), *counts, *chances)
    console().print(table)
    tests = " and ".join(dict.fromkeys(pair.test for pair in pairs))
    say(f"{tests}, on the test samples that both runs share")


def _name(ids: Sequence[str]) -> str:
    """Return a file name that is the runs' own, and not too long."""
    if len(ids) <= _NAMED:
        return "-".join(ids)
    return hashlib.sha256("-".join(ids).encode()).hexdigest()[:12]
