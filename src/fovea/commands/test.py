"""``fovea test``: a trained run on the test part again."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from fovea.config import paths
from fovea.config.console import console
from fovea.records import find_run


def run(run: str, weights: str | None, data_root: str | None) -> int:
    """Print every metric measured now beside the recorded one; 1 where they differ.

    Raises:
        FoveaError: the run, its weights or its data are not there.
    """
    record = find_run(paths.outputs(), run)
    from fovea.training.evaluate import evaluate

    measured = evaluate(record, weights=weights, data_root=data_root)
    same_weights = weights in (None, record.summary.get("selected"))
    table = Table("metric", "measured", "recorded", title=f"run {escape(record.id)}")
    differs = False
    for name, value in measured.items():
        recorded = record.metrics.get(name) if same_weights else None
        changed = recorded is not None and abs(recorded - value) > 1e-4
        differs |= changed
        shown = "–" if recorded is None else f"{recorded:.6f}"
        table.add_row(escape(name), f"{value:.6f}", f"[red]{shown}[/red]" if changed else shown)
    console().print(table)
    return int(differs)
