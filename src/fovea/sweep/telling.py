"""The table of a sweep, from the records of its runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fovea.config.paths import experiment
from fovea.sweep.plan import PlannedRun, differing
from fovea.tables.definition import TableDefinition, load_definition
from fovea.tables.render import print_table, write_table
from fovea.tables.table import Cell, build_table


def report(runs: Sequence[PlannedRun], *, changed: bool = False) -> None:
    """Print the table of a sweep; the files of an experiment's are written too.

    A ``changed`` grid is told by what it sweeps, and leaves the experiment's files as they are.

    Raises:
        ConfigError: the experiment's ``table.yaml`` is not valid.
    """
    name = runs[0].config["experiment"]
    folder = experiment(name) if name else None
    definition = load_definition(folder / "table.yaml") if folder else TableDefinition()
    if changed:
        definition = TableDefinition(columns=definition.columns)
    cells: dict[tuple[str, ...], list[PlannedRun]] = {}
    for run in runs:
        cells.setdefault(run.cell, []).append(run)
    swept = differing(list(cells))
    table = build_table(
        definition,
        [
            Cell(_values(members[0], definition.rows.key, swept), [run.folder for run in members])
            for members in cells.values()
        ],
    )
    print_table(table)
    for run in runs:
        if run.folder.status == "damaged":
            print(f"{run.folder.path}: damaged record, counted as not run", file=sys.stderr)
    if name and not changed:
        outputs = Path(runs[0].config["outputs"])
        for file in write_table(table, outputs / "tables", name):
            print(file)


def _values(run: PlannedRun, key: str | None, swept: Sequence[str]) -> dict[str, str]:
    """Return what a cell is told by: the table's key, or every swept one."""
    if key is not None:
        return {key: run.value(key)}
    overrides = dict(item.split("=", 1) for item in run.cell)
    told = {name: overrides[name] for name in swept}
    return told or {group: run.choices[group] for group in ("model", "data")}
