"""A sweep gone through: what is not finished is launched, then all of it is told."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from rich.markup import escape
from rich.table import Table as RichTable

from fovea.config.console import console
from fovea.config.errors import ConfigError, FoveaError
from fovea.records import Status
from fovea.sweep.plan import PlannedRun
from fovea.sweep.telling import report
from fovea.workers import WorkerDiedError


class SweepError(Exception):
    """Runs of a sweep failed; each is named in what was printed."""


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
    every = {run.folder.id: run for run in runs}.values()  # arms may share runs
    todo = [run for run in every if run.config["rerun"] or run.folder.status != "finished"]
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
    if skipped := len(every) - len(todo):
        print(
            f"{skipped} of {len(every)} runs were finished already (rerun=true trains them again)"
        )
    failures = [
        (run, result._return_value)
        for run, result in zip(todo, results, strict=True)
        if result.status == JobStatus.FAILED
    ]
    for run, error in failures:
        _settle(run, "failed", error)
    if len(every) == 1 and failures:
        raise failures[0][1]
    report(runs, changed=changed)
    if failures:
        _print_failures(failures)
        raise SweepError(f"{len(failures)} of {len(every)} runs failed")


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


def _print_failures(failures: Sequence[tuple[PlannedRun, Any]]) -> None:
    table = RichTable("run", "overrides", "reason", "log", title="failed")
    for run, error in failures:
        log = run.folder.path / "train.log"
        cells = (run.folder.id, " ".join(run.overrides), _reason(error), str(log))
        table.add_row(*(escape(cell) for cell in cells))
    console(stderr=True).print(table)
