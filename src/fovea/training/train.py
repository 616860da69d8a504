"""Train, test and record one run."""

from __future__ import annotations

import io
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from math import isfinite
from statistics import median
from typing import Any

import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.loggers import Logger
from torch.multiprocessing import ProcessRaisedException

from fovea.config.errors import FoveaError
from fovea.data.module import ImageData
from fovea.metrics import confusion_matrix, per_class_accuracy
from fovea.models.cost import count_macs, count_parameters
from fovea.records import RunFolder, Status, write_atomic
from fovea.tasks.classification import Predictions
from fovea.tracking.environment import (
    environment,
    peak_memory_mib,
    process_seconds,
    uncommitted_diff,
)
from fovea.tracking.history import History, Stopwatch, replay
from fovea.tracking.trackers import Outcome, RunInfo, Tracker
from fovea.training.assemble import Lab, assemble, build, load_checkpoint
from fovea.training.compiling import Choice, CompiledTraining, choose
from fovea.training.evaluate import measure
from fovea.training.quiet import quiet_libraries
from fovea.training.settings import MONITOR, TrainerSettings

log = logging.getLogger(__name__)

_PICTURES = 32  # test images a tracker shows
_earlier = count()  # runs of this process


def train(config: Mapping[str, Any], run: RunFolder, choices: Mapping[str, str]) -> dict[str, Any]:
    """Train a run, test it once, and leave its record.

    A run of no epochs builds its network and leaves what that costs; no image is read.

    Args:
        config: the resolved config.
        run: where the record goes.
        choices: the option chosen of each config group, for names and tags.

    Returns:
        The run's summary.

    Raises:
        FoveaError: the config or the data does not allow it. The run is recorded as failed.
    """
    started = time.perf_counter()
    origin = started if next(_earlier) else started - process_seconds()
    name = f"{choices['model']}-{choices['data']}-{config['seed']}"
    summary: dict[str, Any] = {
        "id": run.id,
        "name": name,
        "experiment": config["experiment"],
        "choices": dict(choices),
        "seed": config["seed"],
        "status": "running",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    run.write("config.yaml", config)
    run.write("summary.json", summary)

    def end(status: Status, **more: Any) -> None:
        summary.update(status=status, seconds=round(time.perf_counter() - started, 2), **more)
        run.write("summary.json", summary)

    tracker: Tracker = build(config["tracking"])
    tags = [choices["model"], choices["data"]]
    info = RunInfo(run, name, config["experiment"], tags, config)
    tracked = False

    def track() -> Logger:
        nonlocal tracked
        tracked = True
        return tracker.start(info)

    try:
        with quiet_libraries():
            if config["epochs"] == 0:
                end("finished", **_count(config, run))
            else:
                outcome = _train_and_test(config, run, name, track, origin)
                summary.update(outcome.summary)
                end("finished")
                tracker.report(outcome)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        log.error("%s", error if isinstance(error, FoveaError) else traceback.format_exc())
        end("interrupted" if interrupted else "failed", error=_one_line(error))
        if not tracked:
            with suppress(FoveaError):  # it has failed for another reason
                track()
        tracker.finish(1)
        if isinstance(error, SystemExit):  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
        raise
    tracker.finish(0)
    return summary


def _count(config: Mapping[str, Any], run: RunFolder) -> dict[str, Any]:
    """Return the summary of a run of no epochs."""
    lab = assemble(config)
    _describe_machine(run, lab.settings, Choice(compile=False, reason="nothing is trained"))
    return {"metrics": {}, "epochs": 0, **_cost(lab)}


def _train_and_test(
    config: Mapping[str, Any],
    run: RunFolder,
    name: str,
    track: Callable[[], Logger],
    origin: float,
) -> Outcome:
    seed_everything(config["seed"], verbose=False)
    lab = assemble(config)
    data, task, settings = lab.data, lab.task, lab.settings
    if settings.threads:
        torch.set_num_threads(settings.threads)
    data.setup()
    _describe_data(run, data)
    compiling = choose(config, lab)
    _describe_machine(run, settings, compiling)
    log.info(
        "%s: %s; %d parameters; %s",
        name,
        ", ".join(f"{size} {part}" for part, size in data.sizes.items()),
        count_parameters(task.model),
        settings.resolved_precision,
    )
    for reason in data.skipped:
        log.warning("left out: %s", reason)
    alone = settings.devices == 1  # else the processes that train are others than this one

    def attach(trainer: Trainer) -> None:
        trainer.loggers.append(track())

    # The first step does not wait for W&B, which takes 2 s to import and to start.
    stopwatch = Stopwatch(origin, attach) if alone else Stopwatch()
    curves = None if alone else track()
    trainer = settings.trainer(
        epochs=config["epochs"],
        loggers=[History(run)],
        callbacks=[
            stopwatch,
            *settings.callbacks(run.checkpoints, validation=data.has_validation),
            *([CompiledTraining(data.batch_size)] if compiling.compile else []),
        ],
    )
    trainer.fit(task, datamodule=data)

    rows = run.history()
    if curves is not None:
        replay(rows, curves)
    selected, epoch = _select(config, rows, data.has_validation)
    metrics = {key: value for key, value in rows[epoch].items() if "/" in key}
    metrics |= measure(lab, load_checkpoint(run, selected))
    _describe_data(run, data)  # streamed files that were left out are known only now
    predictions = task.test_predictions
    assert predictions is not None
    outputs = predictions.probabilities.shape[1]
    names = [*task.classes, *(f"output {index}" for index in range(len(task.classes), outputs))]
    confusion = _write_results(run, predictions, names, rows, name)
    summary = {
        "metrics": metrics,
        "per_class_accuracy": {
            name: None if value != value else round(value, 6)
            for name, value in zip(
                task.classes, per_class_accuracy(confusion).tolist(), strict=False
            )
        },
        "selected": selected,
        "best_epoch": epoch + 1,
        "epochs": len(rows),
        "steps": int(rows[-1]["step"]),
        "diverged": not isfinite(rows[-1]["train/loss"]),
        "target_reached": settings.reached_target(rows[-1]["train/accuracy"]),
        "startup_seconds": stopwatch.startup_seconds,
        "images_per_second": round(median(row["images_per_second"] for row in rows), 1),
        "peak_memory_mib": peak_memory_mib(),
        **_cost(lab),
        "protocol": _protocol(config, selected),
        "skipped": len(data.skipped),
    }
    return Outcome(
        summary=summary,
        classes=names,
        predictions=predictions.probabilities.argmax(dim=1).numpy(),
        labels=predictions.labels.numpy(),
        pictures=data.pictures(_PICTURES),
    )


def _cost(lab: Lab) -> dict[str, int]:
    """Return the network's parameters, and its multiply-accumulates for one image."""
    model = lab.task.model
    return {"parameters": count_parameters(model), "macs": count_macs(model, *lab.data.served)}


def _describe_data(run: RunFolder, data: ImageData) -> None:
    """Record the data as it is served."""
    mean, std = data.statistics
    channels, size = data.served
    run.write(
        "data.json",
        {
            "fingerprint": data.fingerprint,
            "classes": list(data.spec.classes),
            "channels": data.spec.channels,
            "image_size": data.spec.image_size,
            "sizes": data.sizes,
            "served": {
                "channels": channels,
                "image_size": size,
                "fit": data.fit,
                "mean": mean,
                "std": std,
            },
            "skipped": data.skipped,
        },
    )


def _describe_machine(run: RunFolder, settings: TrainerSettings, compiling: Choice) -> None:
    """Record what trains, what ``auto`` became, and the code as it stands."""
    resolved = {
        "precision": settings.resolved_precision,
        "strategy": settings.resolved_strategy,
        "compile": compiling.compile,
        "compile_reason": compiling.reason,
    }
    uncommitted = uncommitted_diff()
    run.write("environment.json", environment(uncommitted) | {"resolved": resolved})
    if uncommitted:
        write_atomic(run.path / "uncommitted.diff", uncommitted.encode())


def _select(
    config: Mapping[str, Any], rows: Sequence[Mapping[str, float]], validation: bool
) -> tuple[str, int]:
    """Return which weights are tested (``best`` or ``last``) and the epoch they are of, from 0."""
    select = config["select"]
    if select == "auto":
        select = "last" if config["data"]["validate_on"] == "test" or not validation else "best"
    if select == "last":
        return "last", len(rows) - 1
    scores = [row[MONITOR] for row in rows]
    return "best", scores.index(max(scores))


def _write_results(
    run: RunFolder,
    predictions: Predictions,
    names: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    title: str,
) -> torch.Tensor:
    """Write predictions and pictures; return the confusion matrix."""
    import pandas as pd  # 1 s of imports: only after the training

    from fovea.tracking.figures import confusion_figure, learning_curves

    guesses = predictions.probabilities.argmax(dim=1)
    frame = pd.DataFrame(
        {
            "index": range(len(guesses)),
            "label": predictions.labels.numpy(),
            "prediction": guesses.numpy(),
            "probabilities": list(predictions.probabilities.numpy()),
        }
    )
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    write_atomic(run.predictions, stream.getvalue())
    confusion = confusion_matrix(guesses, predictions.labels, len(names))
    write_atomic(run.path / "curves.png", learning_curves(rows, title))
    write_atomic(run.path / "confusion.png", confusion_figure(confusion.numpy(), names))
    return confusion


def _protocol(config: Mapping[str, Any], selected: str) -> list[str]:
    """Say where the run departs from training, choosing on validation, and testing once."""
    differences = []
    if config["data"]["validate_on"] == "test":
        differences.append("validated on the test part")
        if selected == "best":
            differences.append("best epoch chosen on the test part")
    if config["trainer"]["limit_batches"] is not None:
        differences.append(f"only {config['trainer']['limit_batches']} batches of each part")
    return differences


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, ProcessRaisedException):  # its text is the traceback of another process
        return lines[-1]
    if isinstance(error, FoveaError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
