"""Train, test and record one run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import isfinite
from statistics import median
from typing import Any

import numpy as np
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.loggers import Logger

from fovea.config.printing import say
from fovea.data.base import Data
from fovea.models.cost import count_macs, count_parameters
from fovea.problems.predictions import Predictions
from fovea.records import RunFolder
from fovea.records.quantities import stored
from fovea.training.artifacts import describe_machine, write_results
from fovea.training.assemble import Lab, assemble, load_checkpoint
from fovea.training.checkpoints import Checkpoints
from fovea.training.compiling import CompiledTraining, require_compiler
from fovea.training.evaluate import measure_weights
from fovea.training.process import process_of_run
from fovea.training.quiet import quiet_libraries
from fovea.training.recording import Recording, log_file
from fovea.training.resume import Interrupted, take_up
from fovea.training.settings import TrainerSettings
from fovea.training.tracking.environment import peak_memory_mib, reset_peak_memory
from fovea.training.tracking.history import History, Stopwatch, replay
from fovea.training.tracking.trackers import Outcome

log = logging.getLogger(__name__)

_PICTURES = 32  # test samples a tracker shows


def train(
    config: Mapping[str, Any],
    run: RunFolder,
    choices: Mapping[str, str],
    overrides: Sequence[str] = (),
    arm: str | None = None,
) -> dict[str, Any]:
    """Train a run, test it once, and leave its record; take it up where it was interrupted.

    A run of no epochs builds its network and leaves what that costs; no sample is read.

    Args:
        config: the resolved config.
        run: where the record goes.
        choices: the option chosen of each config group, for names and tags.
        overrides, arm: what composed the config, for the record.

    Returns:
        The run's summary.

    Raises:
        FoveaError: the config or the data does not allow it, or the folder is not this run's. A
            run that had no record before and took no step leaves none.
    """
    recording = Recording(config, run, choices, overrides, arm)
    with log_file(run.path / "train.log"), process_of_run(config):
        try:
            with quiet_libraries():
                if config["epochs"] == 0:
                    recording.finish(_count(recording))
                else:
                    recording.finish(*_train_and_test(recording))
        except BaseException as error:
            recording.fail(error)
            raise
    return recording.summary


def _count(recording: Recording) -> dict[str, Any]:
    """Return the summary of a run of no epochs."""
    lab = assemble(recording.config)
    describe_machine(recording.folder, lab)
    return {"metrics": {}, "epochs": 0, **_cost(lab)}


def _train_and_test(recording: Recording) -> tuple[dict[str, Any], Outcome]:
    reset_peak_memory()
    seed_everything(recording.config["seed"], verbose=False)
    lab = assemble(recording.config)
    cost = _cost(lab)
    lab.data.setup()
    interrupted = take_up(recording.folder, lab)
    if interrupted:
        lab = replace(lab, settings=_as_before(lab.settings, interrupted))
    startup_seconds = _train(lab, recording, interrupted)
    summary, outcome = _test(lab, recording, cost)
    return summary | {"startup_seconds": startup_seconds}, outcome


def _as_before(settings: TrainerSettings, interrupted: Interrupted) -> TrainerSettings:
    """Return settings resolved as before an interruption; the log says what that changes."""
    before = settings.as_recorded(interrupted.resolved)
    if before.resolved_precision != settings.resolved_precision:
        log.info("trainer.precision=%s, as before the interruption", before.resolved_precision)
    if before.compile != settings.compile:
        log.info("trainer.compile=%s, as before the interruption", str(before.compile).lower())
    return before


def _train(lab: Lab, recording: Recording, interrupted: Interrupted | None) -> float | None:
    """Train, or go on where the run was interrupted.

    Returns:
        The seconds to the first optimizer step; ``None`` where none was left to take.
    """
    data, settings, run = lab.data, lab.settings, recording.folder
    recording.seconds_before = interrupted.seconds if interrupted else 0.0
    run.write("data.json", data.describe())
    describe_machine(run, lab)
    log.info(
        "%s: %d parameters; %s",
        recording.name,
        count_parameters(lab.task.model),
        settings.resolved_precision,
    )
    _report(data)
    history = History(run, interrupted.epochs if interrupted else ())
    if interrupted and interrupted.complete:
        history.save()
        _tell(recording.track(), history)
        return None

    def attach(trainer: Trainer) -> None:
        for logger in recording.track():
            replay(history.rows.values(), logger)
            trainer.loggers.append(logger)

    alone = settings.devices == 1  # else the processes that train are others than this one
    # The first step does not wait for W&B, which takes 2 s to import and to start.
    stopwatch = Stopwatch(recording.origin, attach if alone else None)
    checkpoints = Checkpoints(
        run.checkpoints,
        history,
        watched=settings.watched(lab.task),
        every=settings.checkpoint_seconds,
        earlier=recording.seconds_before,
    )
    trainer = settings.trainer(
        epochs=lab.config["epochs"],
        loggers=[history],
        callbacks=[
            stopwatch,
            *settings.callbacks(lab.task),
            *lab.callbacks,
            *([CompiledTraining()] if settings.compile else []),
            checkpoints,
        ],
    )
    if settings.compile:
        require_compiler(trainer.strategy.root_device)
    curves = None if alone else recording.track()
    try:
        checkpoint = interrupted and interrupted.file
        trainer.fit(lab.task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # what Lightning makes of an interrupt
        raise (error.__context__ or KeyboardInterrupt()) from None
    checkpoints.stop_if_interrupted()  # in the last step, after which nobody looked
    if curves is not None:
        _tell(curves, History(run, run.history()))
    return stopwatch.startup_seconds


def _report(data: Data) -> None:
    """Log what the data is; each process prints it once, however many of its runs share it."""
    found = data.found
    warnings = [*found.deviations, *found.warnings]
    for line in found.notes:
        log.info("%s", line)
    for line in warnings:
        log.warning("%s", line)
    for reason in data.skipped:
        log.warning("left out: %s", reason)
    _show(*found.notes, *(f"warning: {line}" for line in warnings))


@cache
def _show(*lines: str) -> None:
    for line in lines:
        say(line, stderr=True)


def _tell(loggers: Iterable[Logger], history: History) -> None:
    """Tell loggers a whole history."""
    for logger in loggers:
        replay(history.rows.values(), logger)
        logger.finalize("success")


def _test(
    lab: Lab, recording: Recording, cost: Mapping[str, int]
) -> tuple[dict[str, Any], Outcome]:
    """Test the selected weights once; return the run's summary, and what its tracker is told."""
    data, task, settings, run = lab.data, lab.task, lab.settings, recording.folder
    rows = run.history()
    selected, best = _select(lab, rows)
    metrics = {key: value for key, value in best.items() if "/" in key}
    metrics |= measure_weights(lab, load_checkpoint(run, selected))
    run.write("data.json", data.describe())  # streamed samples left out are known only now
    assert task.tested is not None
    predictions = _named(task.tested, data)
    drawn = predictions.pictures()
    recording.name_pictures(list(drawn))
    write_results(run, predictions, drawn, rows, recording.name, settings.watched(task))
    kind = type(predictions)
    summary = {
        "metrics": metrics,
        **predictions.details(),
        "quantities": stored(task.all_quantities),
        "metric_nodes": lab.config.get("metrics") or {},
        "predictions": f"{kind.__module__}.{kind.__qualname__}",
        "monitor": settings.watched(task).metric,
        "selected": selected,
        "best_epoch": int(best["epoch"]),
        "epochs": len(rows),
        "steps": int(rows[-1]["step"]),
        "diverged": not isfinite(rows[-1]["train/loss"]),
        "target_reached": settings.reached(rows[-1], task),
        "samples_per_second": round(median(row["samples_per_second"] for row in rows), 1),
        "peak_memory_mib": peak_memory_mib(),
        **cost,
        "protocol": [*_protocol(lab, selected), *data.found.deviations],
        "skipped": len(data.skipped),
    }
    pictures = data.pictures(range(min(_PICTURES, len(predictions))))
    return summary, Outcome(
        pictures=drawn,
        samples=[(each, predictions.caption(row)) for row, each in enumerate(pictures)],
    )


def _named(predictions: Predictions, data: Data) -> Predictions:
    """Return predictions with what names each sample in any run, where the data knows it."""
    names, key = data.samples("test"), predictions.key
    if names is None or key is None:
        return predictions
    rows = {**predictions.rows, key: np.array(names[: len(predictions)])}
    return type(predictions)(rows, predictions.names)


def _cost(lab: Lab) -> dict[str, int]:
    """Return the network's parameters, and its multiply-accumulates for one sample."""
    model = lab.task.model
    return {"parameters": count_parameters(model), "macs": count_macs(model, *lab.data.example)}


def _select(lab: Lab, rows: Sequence[Mapping[str, float]]) -> tuple[str, Mapping[str, float]]:
    """Return which weights are tested (``best`` or ``last``), and the epoch they are of."""
    select, data = lab.config["select"], lab.data
    if select == "auto":
        select = "last" if data.validates_on_test or not data.has_validation else "best"
    if select == "last":
        return "last", rows[-1]
    watched = lab.settings.watched(lab.task)
    best = rows[0]
    for row in rows:
        if watched.quantity.is_better(row[watched.metric], best[watched.metric]):
            best = row
    return "best", best


def _protocol(lab: Lab, selected: str) -> list[str]:
    """Say where the run departs from training, choosing on validation, and testing once."""
    trainer, differences = lab.config["trainer"], []
    if lab.data.validates_on_test:
        differences.append("validated on the test part")
        if selected == "best":
            differences.append("best epoch chosen on the test part")
        if trainer["patience"] is not None:
            differences.append("stopped early by the test part")
    if trainer["limit_batches"] is not None:
        differences.append(f"only {trainer['limit_batches']} batches of each part")
    return differences
