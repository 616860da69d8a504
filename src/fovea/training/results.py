"""What a run leaves beside its summary: data, machine, predictions and pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from fovea.config.code import code_of
from fovea.data.image.module import ImageData
from fovea.problems.classification.metrics import confusion_matrix
from fovea.problems.classification.task import Predictions
from fovea.records import RunFolder, write_atomic
from fovea.training.settings import TrainerSettings
from fovea.training.tracking.environment import environment, uncommitted_diff


def describe_data(run: RunFolder, data: ImageData) -> None:
    """Record the data as it is served."""
    mean, std = data.statistics
    channels, size = data.served
    found = data.inventory
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
                "bits": found.bits,
            },
            "copies": None if found.copies is None else asdict(found.copies),
            "notes": [*found.notes, *found.deviations, *found.warnings],
            "skipped": data.skipped,
        },
    )


def describe_machine(run: RunFolder, config: Mapping[str, Any], settings: TrainerSettings) -> None:
    """Record what trains, the settings it trains with, and the code as it stands."""
    resolved = {
        "precision": settings.resolved_precision,
        "strategy": settings.resolved_strategy,
        "compile": settings.compile,
    }
    uncommitted = uncommitted_diff()
    described = environment(uncommitted) | {"code": code_of(config), "resolved": resolved}
    run.write("environment.json", described)
    if uncommitted:
        write_atomic(run.path / "uncommitted.diff", uncommitted.encode(errors="surrogateescape"))


def write_results(
    run: RunFolder,
    predictions: Predictions,
    names: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    title: str,
) -> torch.Tensor:
    """Write predictions and pictures; return the confusion matrix."""
    import pandas as pd  # 1 s of imports: only after the training

    from fovea.training.tracking.figures import confusion_figure, learning_curves

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
