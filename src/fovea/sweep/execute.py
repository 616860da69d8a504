"""A sweep executed: what is not finished is trained, then all of it is printed as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from rich.markup import escape
from rich.table import Table as RichTable

from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import ConfigError, FoveaError, RecordError, one_line
from fovea.config.printing import say
from fovea.config.trust import require_trusted
from fovea.records import Status
from fovea.records.lock import locks_work
from fovea.sweep.data_check import require_same_data
from fovea.sweep.launch import LaunchOutcome, launch
from fovea.sweep.launchers import require_devices
from fovea.sweep.matching import published_results
from fovea.sweep.overview import print_overview
from fovea.sweep.plan import PlannedRun, print_collapsed
from fovea.sweep.state import State, States
from fovea.sweep.telling import definition_of, report
from fovea.sweep.workers import NotDoneError, WorkerDiedError


class SweepError(Exception):
    """Runs of a sweep failed; each is named in what was printed."""


def execute(
    runs: Sequence[PlannedRun],
    *,
    changed: bool = False,
    launch: Callable[[Sequence[PlannedRun]], Sequence[LaunchOutcome]] = launch,
) -> None:
    """Launch the runs that are not done yet, then print what came of all of them.

    Args:
        runs: the plan.
        changed: the grid is not the experiment's own.
        launch: trains runs.

    Raises:
        FoveaError: the experiment's ``table.yaml`` is not valid, a target is not trusted, the
            outputs cannot be written, a finished run is of other data than there is now, or every
            run that failed did so by a mistake in what was asked for.
        SweepError: some of several runs failed; the others are done, or are not with
            ``stop_on_failure``.
    """
    asked = runs[0].config
    definition_of(runs, changed=changed)  # a mistake in table.yaml is reported before any training
    if asked["dry_run"]:
        print_overview(runs)
        return
    _require_trusted(runs)
    print_collapsed(runs)
    states = States(runs)
    todo = states.todo
    if asked["rerun"]:
        todo = [_to_rerun(run, states.of(run)) for run in states.runs.values()]
    if asked["rerun"] == "stale":
        todo = [run for run in todo if run.config["rerun"] or states.of(run).redo]
    if asked["skip_published"]:
        known = published_results(runs)
        todo = [run for run in todo if run.id not in known]
    for run in todo:
        require_devices(run.config["trainer"])
    if todo:
        paths.cache()  # it may be no folder
    again = {run.id for run in todo if run.config["rerun"]}
    kept = [run for run in states.runs.values() if run.id not in again]
    require_same_data([run for run in kept if states.of(run).finished])
    todo.sort(key=_several_devices)
    results: list[LaunchOutcome] = []
    with _writable(Path(asked["outputs"])) if todo else nullcontext():
        try:
            for batch in _batches(todo):
                if asked["stop_on_failure"] and any(map(_failed, results)):
                    break
                results += launch(batch)
        except BaseException as error:
            for run in todo:
                _settle(run, "interrupted", error)
            raise
    _tell_what_was_left(states, todo)
    failures = [
        (run, result)
        for run, result in zip(todo, results, strict=False)  # fewer results with stop_on_failure
        if isinstance(result, Exception) and not isinstance(result, NotDoneError)
    ]
    stopped = len(todo) - len(failures) - sum(not _failed(result) for result in results)
    for run, error in failures:
        _settle(run, "failed", error)
    if len(states.runs) == 1 and failures:
        raise failures[0][1]
    report(runs, changed=changed)
    if failures:
        left = f"; {stopped} were not trained (stop_on_failure)" if stopped else ""
        text = f"{len(failures)} of {len(states.runs)} runs failed{left}"
        if all(isinstance(error, FoveaError) for _, error in failures):
            _print_mistakes(failures)
            raise ConfigError(text)
        _print_failures(failures)
        raise SweepError(text)


def _to_rerun(run: PlannedRun, state: State) -> PlannedRun:
    """Return a run that says whether it is trained again: with ``rerun=stale``, one that is."""
    rerun = run.config["rerun"]
    if rerun == "stale":
        rerun = state.kind == "stale"
    return replace(run, config={**run.config, "rerun": rerun})


def _require_trusted(runs: Sequence[PlannedRun]) -> None:
    """Check the targets of all runs before the first one is launched.

    Raises:
        ConfigError: one is not trusted; the message names the experiment's file if that has any.
    """
    name = runs[0].config["experiment"]
    folder = paths.experiment(name) if name else None
    file = folder / "sweep.yaml" if folder else None
    own = file is not None and "_target_" in file.read_text(encoding="utf-8")
    for run in runs:
        require_trusted(run.config, f"experiments/{name}/sweep.yaml" if own else "")


def _tell_what_was_left(states: States, todo: Sequence[PlannedRun]) -> None:
    """Say which runs were not launched, and why."""
    launched = {run.id for run in todo}
    left = [state for name, state in states.by_id.items() if name not in launched]
    if done := sum(state.kind in ("done", "stale") for state in left):
        total = len(states.runs)
        say(f"{done} of {total} runs were finished already (rerun=true trains them again)")
    if unfinished := [state for state in left if state.redo]:
        say(f"{len(unfinished)} are published (skip_published=true)")
    for note, count in Counter(state.note for state in left if state.kind == "stale").items():
        say(f"{count} stale: {note} (rerun=stale trains them again)")
    busy = [run for run in states.runs.values() if run.folder.status == "running"]
    for run in busy:
        process = run.folder.summary.get("process", {})
        where = f"process {process.get('pid')} on {process.get('host')}"
        say(f"{run.folder.id} is being trained by {where}: left to it")


def require_writable(outputs: Path) -> None:
    """Make sure that records can be written and locked below ``outputs``.

    Raises:
        ConfigError: they cannot.
    """
    try:
        (outputs / "runs").mkdir(parents=True, exist_ok=True)
        excludes = locks_work(outputs / "runs")
    except OSError as error:
        raise ConfigError(
            f"outputs={outputs}: cannot be written to ({error.strerror}); "
            "set outputs (or FOVEA_OUTPUTS) to a folder that can"
        ) from error
    if not excludes:
        raise ConfigError(
            f"outputs={outputs}: its file system does not lock files, so that two processes could "
            "train one run; set outputs (or FOVEA_OUTPUTS) to a folder on another"
        )


@contextmanager
def _writable(outputs: Path) -> Iterator[None]:
    """Have the folders of the records; those that were made for it and stayed empty go again."""
    folders = [outputs / "runs" / ".locks", outputs / "runs", outputs]
    made = [folder for folder in folders if not folder.exists()]
    require_writable(outputs)
    try:
        yield
    finally:
        for folder in made:
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()


def _failed(result: LaunchOutcome) -> bool:
    return isinstance(result, Exception)


def _several_devices(run: PlannedRun) -> bool:
    return run.config["trainer"]["devices"] > 1


def _batches(runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
    """Return what is launched together: a run on several devices has the machine to itself."""
    together = [run for run in runs if not _several_devices(run)]
    alone = [[run] for run in runs if _several_devices(run)]
    return [together, *alone] if together else alone


def _settle(run: PlannedRun, status: Status, error: BaseException) -> None:
    """End the record of a run whose process was killed before it could."""
    ended = {"status": status, "error": _reason(error)}
    for folder in (run.folder, run.folder.rerun):
        with suppress(RecordError, OSError):
            if folder.summary.get("status") != "running":
                continue
            with run.folder.lock() as free:
                if free and (summary := folder.summary).get("status") == "running":
                    folder.write("summary.json", summary | ended)


def _reason(error: BaseException) -> str:
    told = isinstance(error, FoveaError | WorkerDiedError)
    text = str(error) if told else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0].rstrip(": ")


def _print_mistakes(failures: Sequence[tuple[PlannedRun, Exception]]) -> None:
    """Print each reason once, with the run it was first found in."""
    first: dict[str, PlannedRun] = {}
    for run, error in failures:
        first.setdefault(_reason(error), run)
    for reason, run in first.items():
        where = " ".join(run.overrides)
        say(f"fovea: {one_line(f'{reason} [in: {where}]')}", stderr=True)


def _print_failures(failures: Sequence[tuple[PlannedRun, Exception]]) -> None:
    table = RichTable("run", "overrides", "reason", "log", title="failed")
    for run, error in failures:
        rerun = run.folder.rerun.path / "train.log"
        log = rerun if rerun.is_file() else run.folder.path / "train.log"
        cells = (run.folder.id, " ".join(run.overrides), _reason(error), str(log))
        table.add_row(*(escape(cell) for cell in cells))
    console(stderr=True).print(table)
