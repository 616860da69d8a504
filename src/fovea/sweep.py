"""A sweep: planned whole, then run, then told.

The plan is every run of the grid with its config and id, composed and validated before the first
one starts. It is also how a table finds its runs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig
from rich.markup import escape
from rich.table import Table as RichTable

from fovea.config.compose import choices, compose_sweep, config_loader, plain
from fovea.config.console import console
from fovea.config.errors import ConfigError, FoveaError, did_you_mean
from fovea.config.identity import run_id
from fovea.config.paths import experiment, experiment_names
from fovea.config.schema import validate
from fovea.records import RunFolder, Status, run_folder
from fovea.tables.definition import TableDefinition, load_definition
from fovea.tables.render import print_table, write_table
from fovea.tables.table import Cell, build_table
from fovea.workers import WorkerDiedError


class SweepError(Exception):
    """Runs of a sweep failed; each is named in what was printed."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Args:
        overrides: what composes its config.
        cell: the same without the seed; runs that share it are one cell.
        config: resolved, as plain containers.
        folder: where its record is, or will be.
    """

    overrides: tuple[str, ...]
    cell: tuple[str, ...]
    config: dict[str, Any]
    choices: dict[str, str]
    folder: RunFolder


def plan(loader: ConfigLoader, master: DictConfig, arguments: Sequence[str]) -> list[PlannedRun]:
    """Compose and validate every run of a sweep; a run that occurs twice is planned once.

    Args:
        loader: Hydra's.
        master: the composed root config.
        arguments: overrides; several values of a key make the grid.

    Raises:
        ConfigError: there is no run, or one's config is not valid; the message names its overrides.
    """
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    if not jobs:
        raise ConfigError(f"no runs: a pattern in '{' '.join(arguments)}' matches no option")
    planned: dict[str, PlannedRun] = {}
    for job in jobs:
        composed = loader.load_sweep_config(master, list(job))
        config = plain(composed)
        try:
            validate(config)
        except ConfigError as error:
            where = f" [in: {' '.join(job)}]" if len(jobs) > 1 else ""
            raise ConfigError(f"{error}{where}") from None
        folder = run_folder(Path(config["outputs"]), run_id(config))
        planned.setdefault(
            folder.id,
            PlannedRun(
                overrides=tuple(job),
                cell=tuple(item for item in job if not item.startswith("seed=")),
                config=config,
                choices=choices(composed.hydra.runtime.choices),
                folder=folder,
            ),
        )
    return list(planned.values())


def plan_experiment(name: str) -> list[PlannedRun]:
    """Plan the runs of an experiment.

    Raises:
        ConfigError: there is no such experiment, or its sweep is not valid.
    """
    if experiment(name) is None:
        known = experiment_names()
        near = did_you_mean(name, known)
        raise ConfigError(f"no experiment '{name}'{near} (known: {', '.join(known)})")
    with config_loader() as loader:
        arguments = [f"experiment={name}"]
        master = compose_sweep(loader, arguments)
        params = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
        return plan(loader, master, [*params, *arguments])


def execute(
    runs: Sequence[PlannedRun],
    launch: Callable[[Sequence[Sequence[str]]], Sequence[JobReturn]],
    *,
    changed: bool = False,
) -> None:
    """Launch the runs that are not finished yet, then print what came of all of them.

    Args:
        runs: the plan.
        launch: takes the overrides of each run.
        changed: the grid is not the experiment's own.

    Raises:
        FoveaError: the outputs cannot be written, or the only run failed for a reason that is the
            user's to mend.
        SweepError: some of several runs failed; the others are done.
    """
    todo = [run for run in runs if run.config["rerun"] or run.folder.status != "finished"]
    if todo:
        require_writable(Path(todo[0].config["outputs"]))
    for run in todo:
        shutil.rmtree(run.folder.path, ignore_errors=True)
    todo.sort(key=_several_devices)
    results: list[JobReturn] = []
    try:
        for batch in _batches(todo):
            results += launch([run.overrides for run in batch])
    except BaseException as error:
        for run in todo:
            _settle(run, "interrupted", error)
        raise
    if skipped := len(runs) - len(todo):
        print(f"{skipped} of {len(runs)} runs were finished already (rerun=true trains them again)")
    failures = [
        (run, result._return_value)
        for run, result in zip(todo, results, strict=True)
        if result.status == JobStatus.FAILED
    ]
    for run, error in failures:
        _settle(run, "failed", error)
    if len(runs) == 1 and failures:
        raise failures[0][1]
    report(runs, changed=changed)
    if failures:
        _print_failures(failures)
        raise SweepError(f"{len(failures)} of {len(runs)} runs failed")


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
    swept = _swept(list(cells))
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


def require_writable(outputs: Path) -> None:
    """Make sure that records can be written below ``outputs``.

    Raises:
        ConfigError: they cannot.
    """
    try:
        (outputs / "runs").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=outputs / "runs").close()
    except OSError as error:
        raise ConfigError(
            f"outputs={outputs}: cannot be written to ({error.strerror}); "
            "set outputs (or FOVEA_OUTPUTS) to a folder that can"
        ) from error


def _several_devices(run: PlannedRun) -> bool:
    return run.config["trainer"]["devices"] > 1


def _batches(runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
    """Return what is launched together: a run on several devices has the machine to itself."""
    together = [run for run in runs if not _several_devices(run)]
    alone = [[run] for run in runs if _several_devices(run)]
    return [together, *alone] if together else alone


def _settle(run: PlannedRun, status: Status, error: BaseException) -> None:
    """End the record of a run whose process was killed before it could."""
    if run.folder.status == "running":
        ended = run.folder.summary | {"status": status, "error": _reason(error)}
        run.folder.write("summary.json", ended)


def _reason(error: BaseException) -> str:
    told = isinstance(error, FoveaError | WorkerDiedError)
    text = str(error) if told else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0].rstrip(": ")


def _swept(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the override keys in which cells differ."""
    values: dict[str, set[str]] = {}
    for cell in cells:
        for item in cell:
            key, _, value = item.partition("=")
            values.setdefault(key, set()).add(value)
    return [key for key, seen in values.items() if len(seen) > 1]


def _values(run: PlannedRun, key: str | None, swept: Sequence[str]) -> dict[str, str]:
    """Return what a cell is told by: the table's key, or every swept one."""
    overrides = dict(item.split("=", 1) for item in run.cell)
    if key is None:
        told = {name: overrides[name] for name in swept}
        return told or {group: run.choices[group] for group in ("model", "data")}
    if key in run.choices:
        return {key: run.choices[key]}
    value: Any = run.config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return {key: str(value)}


def _print_failures(failures: Sequence[tuple[PlannedRun, Any]]) -> None:
    table = RichTable("run", "overrides", "reason", "log", title="failed")
    for run, error in failures:
        log = run.folder.path / "train.log"
        cells = (run.folder.id, " ".join(run.overrides), _reason(error), str(log))
        table.add_row(*(escape(cell) for cell in cells))
    console(stderr=True).print(table)
