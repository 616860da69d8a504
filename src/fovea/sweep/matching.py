"""Planned runs matched with their records and published results: by config, not by id."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.config import paths
from fovea.config.errors import RecordError, shortened
from fovea.config.identity import Scientific, config_difference, reduced, run_id, scientific
from fovea.config.numerics import changes_since
from fovea.records import RunFolder, all_runs
from fovea.tables.configs import read_configs
from fovea.tables.results import Result, published

if TYPE_CHECKING:
    from fovea.sweep.plan import PlannedRun


def earlier_records(outputs: Path) -> dict[str, RunFolder]:
    """Return the records whose id is of an earlier rule, by the id that their config has now."""
    found = {}
    for folder in all_runs(outputs):
        with suppress(RecordError):
            now = run_id(recorded_config(folder))
            if now != folder.id:
                found[now] = folder
    return found


def recorded_config(folder: RunFolder) -> Scientific:
    """Return the scientific config of a record, by the rule as it is now.

    Raises:
        RecordError: the record is damaged.
    """
    summary = folder.summary
    if stored := summary.get("scientific"):
        return reduced(stored)
    return scientific(folder.config, summary.get("choices", {}))


def published_results(
    runs: Sequence[PlannedRun], metrics: Collection[str] | None = None
) -> dict[str, Result]:
    """Return the published results of a plan's runs, by the id of the planned run.

    Args:
        runs: the plan.
        metrics: those that are looked at; ``None`` is all. Changes of others are not told.

    Raises:
        RecordError: ``results.csv`` or ``configs.jsonl`` is damaged.
    """
    rows, _ = _published(runs)
    return {run.id: _as_of(rows[run.id], run, metrics) for run in runs if run.id in rows}


def outdated_results(
    runs: Sequence[PlannedRun],
    known: Mapping[str, Result],
    metrics: Collection[str] | None = None,
) -> dict[str, Result]:
    """Return published results of configs that are not planned any more, for want of better ones.

    One stands in for the planned run of its arm, overrides and seed, and its ``outdated`` says in
    which keys they differ; but only in a cell without any result in ``known``: runs of different
    configs are not averaged.

    Raises:
        RecordError: as of :func:`published_results`.
    """
    rows, configs = _published(runs)
    planned = {run.id for run in runs}
    filled = {run.cell for run in runs if run.id in known}
    left = {
        (arm, row.overrides, row.seed): (row, configs[id])
        for id, row in rows.items()
        if id not in planned and id in configs
        for arm in row.arm.split(" ")
    }
    found = {}
    for run in runs:
        key = (run.arm or "", run.own_overrides, run.config["seed"])
        if run.cell not in filled and key in left:
            row, config = left[key]
            changes = *_changes(config, run.scientific), *_as_of(row, run, metrics).outdated
            found[run.id] = replace(row, outdated=changes)
    return found


def _as_of(row: Result, run: PlannedRun, metrics: Collection[str] | None) -> Result:
    """Return a published result with what has changed fovea's numbers since."""
    numerics = int(row.provenance.get("numerics") or 0)
    return replace(row, outdated=tuple(changes_since(numerics, run.config, metrics)))


def _published(
    runs: Sequence[PlannedRun],
) -> tuple[dict[str, Result], dict[str, Scientific]]:
    """Return rows and configs of an experiment by the id that their config has now."""
    name = runs[0].config["experiment"]
    folder = paths.experiment(name) if name else None
    if folder is None:
        return {}, {}
    rows = published(name)
    stored = {id: reduced(each.config) for id, each in read_configs(folder).items()}
    now = {id: run_id(config) for id, config in stored.items()}
    configs = {now[id]: config for id, config in stored.items() if id in rows}
    return {now.get(id, id): row for id, row in rows.items()}, configs


def _changes(then: Scientific, now: Scientific) -> Iterator[str]:
    for key, (old, new) in config_difference(then, now).items():
        yield f"published with {key}={shortened(old)}, now {shortened(new)}"
