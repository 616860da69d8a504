"""The table of a sweep: its plan, and the results of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fovea.config import paths
from fovea.config.errors import ConfigError, did_you_mean
from fovea.config.keys import look_up
from fovea.config.numerics import changes_of_record
from fovea.config.printing import say
from fovea.config.signatures import MISSING
from fovea.sweep.matching import outdated_results, published_results
from fovea.sweep.plan import PlannedRun, pairs, swept_keys
from fovea.tables.build import build_table
from fovea.tables.cells import Cell
from fovea.tables.definition import TableDefinition, load_definition
from fovea.tables.results import Result, from_record
from fovea.tables.table import Table


def report(runs: Sequence[PlannedRun], *, changed: bool = False) -> Table:
    """Print the table of a sweep; the files of an experiment's are written too.

    A ``changed`` grid is told by what it sweeps, and leaves the experiment's files as they are.

    Raises:
        ConfigError: the experiment's ``table.yaml`` is not valid.
        RecordError: its ``results.csv`` is not.
    """
    from fovea.tables.terminal import print_table
    from fovea.tables.writing import write_table

    name = runs[0].config["experiment"]
    table = table_of(runs, changed=changed)
    print_table(table)
    if name and not changed:
        folder = Path(runs[0].config["outputs"]) / "tables"
        kinds = ",".join(file.suffix[1:] for file in write_table(table, folder, name))
        say(f"{folder / name}.{{{kinds}}}")
    return table


def table_of(runs: Sequence[PlannedRun], *, changed: bool = False) -> Table:
    """Return the table of a sweep, from this machine's records and what is published.

    Raises:
        FoveaError: as of :func:`report`.
    """
    definition = definition_of(runs, changed=changed)
    here = recorded_results(runs, definition)
    if changed:
        return tell(runs, definition, here)
    known = published_results(runs, definition.metrics) | here
    return tell(runs, definition, known | outdated_results(runs, known, definition.metrics))


def definition_of(runs: Sequence[PlannedRun], *, changed: bool = False) -> TableDefinition:
    """Return what the table of a sweep shows.

    Raises:
        ConfigError: the experiment's ``table.yaml`` is not valid, or names a key that no run has.
    """
    name = runs[0].config["experiment"]
    folder = paths.experiment(name) if name else None
    if folder is None:
        return TableDefinition()
    definition = load_definition(folder / "table.yaml")
    if changed:
        alone = [column.model_copy(update={"ratio": False}) for column in definition.columns]
        return TableDefinition(columns=alone)
    paired = [] if definition.pair is None else [definition.pair]
    for key in [*definition.keys, *paired]:
        if not any(_has(run, key) for run in runs):
            near = did_you_mean(key, ["arm", *runs[0].choices, *runs[0].config])
            raise ConfigError(f"{name}/table.yaml: no run has the key '{key}'{near}")
    return definition


def recorded_results(runs: Sequence[PlannedRun], definition: TableDefinition) -> dict[str, Result]:
    """Return the results of the finished runs of a plan by the id of the planned run.

    Damaged records are named on standard error, and counted as not run.
    """
    results = {}
    for run in {run.id: run for run in runs}.values():
        if damage := run.folder.damage:
            say(f"{damage}; counted as not run", stderr=True)
        elif run.folder.status == "finished":
            result = from_record(run.folder, run.config["seed"], definition.metrics)
            environment = run.folder.read("environment.json")
            changes = tuple(changes_of_record(environment, run.config, definition.metrics))
            results[run.id] = replace(result, outdated=changes)
    return results


def tell(
    runs: Sequence[PlannedRun], definition: TableDefinition, results: Mapping[str, Result]
) -> Table:
    """Build the table of a plan from results by the id of the planned run.

    Raises:
        ConfigError: the definition does not fit the plan or the results.
    """
    members: dict[tuple[str, ...], list[PlannedRun]] = {}
    for run in runs:
        members.setdefault(run.cell, []).append(run)
    swept = swept_keys(list(members))
    cells = []
    for of_cell in members.values():
        planned = {run.repeat: run for run in of_cell}
        there = {each: results[run.id] for each, run in planned.items() if run.id in results}
        paired = {each: _pair(run, definition) for each, run in planned.items()}
        cells.append(
            Cell(
                _values(of_cell[0], definition, swept),
                {each: run.id for each, run in planned.items()},
                there,
                {each: pair for each, pair in paired.items() if pair is not None},
                folds=max(run.folds for run in of_cell),
            )
        )
    name = runs[0].config["experiment"]
    return build_table(definition, cells, f"fovea train experiment={name}" if name else "")


def _pair(run: PlannedRun, definition: TableDefinition) -> str | None:
    """Return what a run is paired by: in a cross-validation its test part, else the table's key.

    Raises:
        ConfigError: the table pairs folds by something else.
    """
    key = definition.pair
    if not run.folds:
        return None if key is None else run.value(key)
    if key not in (None, "data.fold"):
        raise ConfigError(f"table.yaml: pair: {key}: folds are paired by data.fold; leave it out")
    return f"{run.folds} {run.value('data.split_seed')} {run.repeat.fold}"


def _has(run: PlannedRun, key: str) -> bool:
    if key in run.choices or (key == "arm" and run.arm is not None):
        return True
    return look_up(run.config, key, MISSING) is not MISSING


def _values(run: PlannedRun, definition: TableDefinition, swept: Sequence[str]) -> dict[str, str]:
    """Return what a cell is told by: the table's keys; without keys of its rows, all swept ones."""
    values = {key: run.value(key) for key in definition.keys}
    if definition.rows.key is not None:
        return values
    overrides = pairs(run.cell)
    told = {name: overrides[name] for name in swept if name in overrides}
    return values | (told or {group: run.choices[group] for group in ("model", "data")})
