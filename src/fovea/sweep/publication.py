"""What of an experiment is published: its results, and all that follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fovea.config import paths
from fovea.config.errors import ConfigError
from fovea.records.history import EpochRow
from fovea.sweep.matching import outdated_results, published_results
from fovea.sweep.plan import PlannedRun
from fovea.sweep.telling import definition_of, recorded_results, tell
from fovea.tables.configs import CONFIGS, Published, configs_text, read_configs
from fovea.tables.histories import HISTORIES, histories_text, read_histories
from fovea.tables.publish import FILE, differing_files, publish, texts
from fovea.tables.results import Result
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
    known = published_results(runs, definition.metrics)
    known |= recorded_results(runs, definition) if records else {}
    results = _as_planned(runs, known | outdated_results(runs, known, definition.metrics))
    if not results:
        raise ConfigError(
            f"{folder / FILE}: no run is finished to be published; "
            f"train some: fovea train experiment={folder.name}"
        )
    table = tell(runs, definition, results)
    written = {CONFIGS: _configs(runs, results, folder)}
    if histories := histories_text(_histories(runs, results, folder)):
        written[HISTORIES] = histories
    return table, written | texts(table, results.values(), definition.metrics, folder)


def _configs(runs: Sequence[PlannedRun], results: Mapping[str, Result], folder: Path) -> str:
    """Return the text of ``configs.jsonl``; the config of a run that stays published stays."""
    known = read_configs(folder)
    planned = {run.id: run.scientific for run in runs}
    return configs_text(
        known.get(row.id) or Published.of(row.id, planned[key]) for key, row in results.items()
    )


def _histories(
    runs: Sequence[PlannedRun], results: Mapping[str, Result], folder: Path
) -> dict[str, list[EpochRow]]:
    """Return the histories of runs recorded here, and of others as they are published."""
    known = read_histories(folder)
    folders = {run.id: run.folder for run in runs}
    return {
        row.id: folders[key].history() if row.recorded else known.get(row.id, [])
        for key, row in results.items()
    }


def _as_planned(runs: Sequence[PlannedRun], results: dict[str, Result]) -> dict[str, Result]:
    """Return the planned results in the order of the plan, told by its words."""
    arms: dict[str, list[str]] = {}
    for run in runs:
        arms.setdefault(run.id, []).append(run.arm or "")
    first: dict[str, PlannedRun] = {}
    for run in runs:
        first.setdefault(run.id, run)
    return {
        run_id: replace(
            results[run_id],
            seed=run.config["seed"],
            arm=" ".join(arms[run_id]),
            overrides=run.own_overrides,
        )
        for run_id, run in first.items()
        if run_id in results
    }


def _folder(runs: Sequence[PlannedRun]) -> Path:
    folder = paths.experiment(runs[0].config["experiment"])
    assert folder is not None
    return folder
