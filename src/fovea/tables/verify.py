"""Recorded metrics against what a run's stored predictions give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.config.errors import RecordError
from fovea.records import RunFolder

_TOLERANCE = 1e-6  # recorded in float32, or to six places


@dataclass(frozen=True)
class Disagreement:
    """A number of a summary that the predictions do not bear out.

    Args:
        recomputed: the least and the most it can be: where probabilities are equal, what the
            network ranked first is not known from them.
    """

    name: str
    recorded: float | None
    recomputed: tuple[float, float]


def verify(run: RunFolder) -> list[Disagreement] | None:
    """Recompute accuracy, top-5 accuracy, macro F1 and per-class accuracy of the test part.

    Returns:
        What disagrees; ``None`` where the run has no stored predictions.

    Raises:
        RecordError: the predictions or the summary are damaged.
    """
    if not run.predictions.is_file():
        return None
    from fovea.tables.predictions import read_predictions, read_probabilities

    told = read_predictions(run)
    predictions, labels = told.predictions, told.labels
    probabilities = read_probabilities(run)
    highest, outputs = max(labels.max(), predictions.max()), probabilities.shape[1]
    if highest >= outputs:
        raise RecordError(
            f"{run.predictions}: damaged (class {highest} of {outputs} outputs); "
            "train it again with rerun=true"
        )
    expected = _metrics(probabilities, predictions, labels)
    recorded = {name: value for name, value in run.metrics.items() if name in expected}
    totals = np.bincount(labels)
    hits = np.bincount(labels[predictions == labels], minlength=len(totals))
    for index in np.flatnonzero(totals):
        share = float(hits[index] / totals[index])
        expected[f"accuracy of {told.names[index]}"] = (share, share)
    per_class: Mapping[str, Any] = run.summary.get("per_class_accuracy", {})
    recorded |= {f"accuracy of {name}": value for name, value in per_class.items()}
    return [
        Disagreement(name, value, expected[name])
        for name, value in recorded.items()
        if name in expected and not _within(value, expected[name])
    ]


def _within(value: float | None, bounds: tuple[float, float]) -> bool:
    if value is None:
        return False
    return bounds[0] - _TOLERANCE <= value <= bounds[1] + _TOLERANCE


def _metrics(
    probabilities: NDArray[np.float32], predictions: NDArray[np.int64], labels: NDArray[np.int64]
) -> dict[str, tuple[float, float]]:
    own = probabilities[np.arange(len(labels)), labels][:, None]
    above = (probabilities > own).sum(axis=1)
    not_below = (probabilities >= own).sum(axis=1) - 1
    accuracy, macro_f1 = float((predictions == labels).mean()), _macro_f1(predictions, labels)
    return {
        "test/accuracy": (accuracy, accuracy),
        "test/macro_f1": (macro_f1, macro_f1),
        "test/top5_accuracy": (float((not_below < 5).mean()), float((above < 5).mean())),
    }


def _macro_f1(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return the mean F1 of the classes that occur or are predicted."""
    size = max(predictions.max(), labels.max()) + 1
    hits = np.bincount(labels[predictions == labels], minlength=size)
    total = np.bincount(predictions, minlength=size) + np.bincount(labels, minlength=size)
    return float(np.mean(2 * hits[total > 0] / total[total > 0]))
