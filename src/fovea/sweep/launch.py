"""Runs trained as the ``launcher`` config group says: in worker processes, or in this one."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any

from fovea.config.build import build
from fovea.config.printing import say
from fovea.records import carry_over, replace_by_rerun
from fovea.records.quantities import of_record, quantity_of, stored, watched
from fovea.sweep.launchers import Launcher
from fovea.sweep.plan import PlannedRun
from fovea.sweep.state import missing_metrics, missing_probes, probes
from fovea.sweep.workers import NotDoneError, free_memory, portable, run_in_workers

LaunchOutcome = Mapping[str, Any] | Exception | None


def launch(runs: Sequence[PlannedRun]) -> list[LaunchOutcome]:
    """Train runs; return what came of each: as :func:`train_run`, or what it raised.

    With ``stop_on_failure`` that is ``NotDoneError`` for those that another's failure stopped.
    """
    config = runs[0].config
    stops = config["stop_on_failure"]
    launcher: Launcher = build("launcher", config["launcher"])
    environments = launcher.environments(len(runs), config["trainer"])
    if not environments:
        return _one_after_another(runs, stops)
    threads = environments[0]["OMP_NUM_THREADS"]
    say(f"{len(runs)} runs in {len(environments)} workers, CPU threads: {threads}")
    return run_in_workers(
        train_run, runs, environments, lambda outcome: stops and isinstance(outcome, Exception)
    )


def train_run(planned: PlannedRun) -> Mapping[str, Any] | None:
    """Train one run, in whatever process; return its summary.

    A run that another process trains, or has trained meanwhile, is left to it: ``None``. A finished
    one is measured by probes and metrics that have not measured it; with ``rerun``, or if its
    record is damaged, it is trained again beside its record, which the new one replaces when it is
    finished.

    Raises:
        Exception: whatever ended the run.
    """
    run = planned.folder
    with run.lock() as free:
        status = run.status
        if not free and status in ("finished", "damaged"):
            say(f"{run.id} is being trained again by another process: left to it")
        if not free or replace_by_rerun(run):  # a rerun that was killed when it had finished
            return None
        damaged, rerun = bool(run.damage), planned.config["rerun"]
        if status == "finished" and not damaged and not rerun:
            return _measure(planned)
        from fovea.training.train import train

        if damaged and not rerun:
            carry_over(run)
        folder = run.rerun if damaged or status == "finished" else run
        summary = train(planned.config, folder, planned.choices, planned.overrides, planned.arm)
        replace_by_rerun(run)
    say(
        f"{summary['id']}  {summary['name']:<28} {_result(summary)}  {summary['seconds']:7.1f} s",
    )
    return summary


def _measure(planned: PlannedRun) -> Mapping[str, Any] | None:
    """Measure a finished run by what is planned and has not measured it; return its summary."""
    run = planned.folder
    new_probes, new_metrics = missing_probes(planned), missing_metrics(planned)
    summary, measured, more = run.summary, {}, {}
    metrics = dict(summary.get("metrics", {}))
    if new_probes:
        from fovea.training.evaluate import measure_probes

        measured |= measure_probes(run, planned.config, new_probes)
        more["probes"] = [*probes(run), *new_probes.values()]
    if new_metrics:
        from fovea.problems.recorded import measure_predictions, predictions_of

        values, quantities = measure_predictions(run, new_metrics, predictions_of(run))
        measured |= {f"test/{name}": value for name, value in values.items()}
        for name in new_metrics:  # in validation it was another metric of that name
            metrics.pop(f"val/{name}", None)
        more["quantities"] = stored({**of_record(summary), **quantities})
        more["metric_nodes"] = {**summary.get("metric_nodes", {}), **new_metrics}
    if not measured:
        return None
    run.write("summary.json", summary | {"metrics": metrics | measured} | more)
    found = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
    say(f"{run.id}  {summary['name']:<28} {found}")
    return run.summary


def _one_after_another(runs: Sequence[PlannedRun], stops: bool) -> list[LaunchOutcome]:
    outcomes: list[LaunchOutcome] = []
    try:
        for run in runs:
            if stops and any(isinstance(each, Exception) for each in outcomes):
                outcomes.append(NotDoneError())
                continue
            try:
                outcomes.append(train_run(run))
            except Exception as error:  # of several without its traceback, which holds the network
                outcomes.append(error if len(runs) == 1 else portable(error))
            if len(runs) > 1:
                free_memory()
    finally:
        gc.unfreeze()  # what free_memory froze
    return outcomes


def _result(summary: Mapping[str, Any]) -> str:
    name = watched(summary)
    if (value := summary["metrics"].get(f"test/{name}")) is None:  # nothing was trained
        return f"{summary['parameters']:,} parameters, {summary['macs']:,} MACs"
    quantity = quantity_of(name, of_record(summary))
    return f"test {quantity.label or name} {quantity.text(value):>6}"
