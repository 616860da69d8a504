"""What of an experiment is published: its results, and all that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fovea.config import paths
from fovea.config.errors import ConfigError
from fovea.sweep.plan import PlannedRun
from fovea.sweep.telling import definition_of, recorded, tell
from fovea.tables.publish import FILE, differing_files, publish, texts
from fovea.tables.results import Result, published
from fovea.tables.table import Table


def publish_experiment(runs: Sequence[PlannedRun]) -> tuple[Table, list[Path]]:
    """Merge this machine's records into the published results, and write all that follows.

    Rows of runs that are not planned any more are dropped: the table does not show them, and Git
    keeps them.

    Args:
        runs: an experiment's plan.

    Returns:
        The table, and the files that have changed.

    Raises:
        ConfigError: nothing is finished, ``table.yaml`` or the README's markers are not valid, or
            the folder cannot be written to.
        RecordError: ``results.csv`` is damaged, or was changed by hand.
    """
    table, written = _publication(runs, records=True)
    return table, publish(table, written, _folder(runs))


def stale_files(runs: Sequence[PlannedRun]) -> list[str]:
    """Return the published files of an experiment that ``results.csv`` alone does not give.

    Raises:
        FoveaError: as of :func:`publish_experiment`.
    """
    table, written = _publication(runs, records=False)
    return differing_files(table, written, _folder(runs))


def _publication(runs: Sequence[PlannedRun], *, records: bool) -> tuple[Table, dict[str, str]]:
    folder = _folder(runs)
    definition = definition_of(runs)
    known = published(folder.name) | (recorded(runs, definition) if records else {})
    results = _as_planned(runs, known)
    if not results:
        raise ConfigError(
            f"{folder / FILE}: no run is finished to be published; "
            f"train some: fovea train experiment={folder.name}"
        )
    table = tell(runs, definition, results)
    return table, texts(table, results.values(), definition.metrics, folder)


def _as_planned(runs: Sequence[PlannedRun], results: dict[str, Result]) -> dict[str, Result]:
    """Return the planned results in the order of the plan, told by its words."""
    arms: dict[str, list[str]] = {}
    for run in runs:
        arms.setdefault(run.folder.id, []).append(run.arm or "")
    first: dict[str, PlannedRun] = {}
    for run in runs:
        first.setdefault(run.folder.id, run)
    return {
        run_id: replace(
            results[run_id],
            seed=run.config["seed"],
            arm=" ".join(arms[run_id]),
            overrides=" ".join(
                each for each in run.overrides if not each.startswith(("seed=", "experiment="))
            ),
        )
        for run_id, run in first.items()
        if run_id in results
    }


def _folder(runs: Sequence[PlannedRun]) -> Path:
    folder = paths.experiment(runs[0].config["experiment"])
    assert folder is not None
    return folder
