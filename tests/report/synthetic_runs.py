"""Records of runs that were never trained."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fovea.config.compose import compose_run
from fovea.records import RunFolder, run_folder, write_atomic

CHOICES = {"data": "digits", "model": "mlp", "optimizer": "adam", "launcher": "auto"}


def record(
    outputs: Path,
    run: str,
    *overrides: str,
    accuracy: float | None = 0.9,
    epochs: int = 4,
    status: str = "finished",
    classes: int = 3,
    **summary: Any,
) -> RunFolder:
    """Leave the record of a run whose curves end at ``accuracy``; ``None`` is one that diverged."""
    folder = run_folder(outputs, run)
    config = _config(epochs, tuple(each for each in overrides if not each.startswith("seed=")))
    seeds = [int(each.removeprefix("seed=")) for each in overrides if each.startswith("seed=")]
    config = config | {"seed": seeds[0] if seeds else 0}
    chosen = dict(each.split("=", 1) for each in overrides if each.partition("=")[0] in CHOICES)
    names = [f"class {index}" for index in range(classes)]
    ended = {
        "metrics": {"test/accuracy": accuracy, "val/accuracy": accuracy, "train/loss": 0.1},
        "per_class_accuracy": dict.fromkeys(names, accuracy),
        "seconds": 12.5,
        "diverged": accuracy is None,
    }
    folder.write("config.yaml", config)
    folder.write(
        "summary.json",
        {"id": run, "status": status, "experiment": None, "choices": CHOICES | chosen}
        | {"overrides": list(overrides)}
        | {"seed": config["seed"], "started": "2026-01-02T03:04:05+00:00"}
        | (ended if status == "finished" else {"error": "DataError: no such file"})
        | summary,
    )
    folder.write("data.json", {"classes": names, "fingerprint": "f" * 64})
    trained = epochs if status == "finished" else epochs // 2
    folder.write_history([_epoch(epoch, epochs, accuracy) for epoch in range(1, trained + 1)])
    if status == "finished":
        labels = np.arange(20 * classes) % classes
        wrong = np.arange(len(labels)) >= round((accuracy or 0) * len(labels))
        predict(folder, labels, np.where(wrong, (labels + 1) % classes, labels))
    return folder


@cache
def _config(epochs: int, overrides: tuple[str, ...]) -> dict[str, Any]:
    return compose_run([f"epochs={epochs}", *overrides])


def predict(run: RunFolder, labels: ArrayLike, predictions: ArrayLike) -> None:
    """Leave test predictions."""
    stream = io.BytesIO()
    pd.DataFrame({"label": labels, "prediction": predictions}).to_parquet(stream)
    write_atomic(run.predictions, stream.getvalue())


def _epoch(epoch: int, epochs: int, accuracy: float | None) -> dict[str, float]:
    share = epoch / epochs
    reached = (accuracy or 0.5) * (1 - 0.5 ** (8 * share))
    diverged = accuracy is None and share > 0.5
    return {
        "epoch": epoch,
        "step": 10 * epoch,
        "seconds": 0.5,
        "train/loss": float("nan") if diverged else 2 * (1 - 0.9 * share),
        "train/accuracy": reached + 0.02,
        "val/loss": float("nan") if diverged else 2.1 * (1 - 0.8 * share),
        "val/accuracy": reached,
    }
