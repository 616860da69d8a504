"""Runs seen together: what tells them apart, and the rows of their charts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fovea.config.errors import FoveaError
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.recorded import predictions_of
from fovea.report.differences import differing
from fovea.report.entries import Entry

_POINTS = 12_000  # of all learning curves, for each metric; longer histories are thinned evenly
_CONFUSIONS = 100_000  # entries of all confusion matrices that are not 0

Rows = list[dict[str, Any]]


class Overview:
    """Runs, and what tells them from each other.

    Args:
        entries: the runs.

    Attributes:
        keys: the settings in which they differ, the seed last.
        cells: of each run, what tells its cell (the runs that differ in the seed only) from others.
        metrics: the names of the final metrics, those of the test part first.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        found = differing([entry.settings for entry in entries if entry.settings])
        self.keys = sorted(found, key=lambda key: key == "seed")
        self.hyperparameters = [key for key in self.keys if key not in ("seed", "experiment")]
        self._telling = self._telling_keys()
        self.cells = [self._cell(entry) for entry in entries]
        names = {name for entry in entries for name in entry.metrics}
        parts = ("test/", "val/", "train/")
        self.metrics = sorted(
            names,
            key=lambda name: (
                next((place for place, part in enumerate(parts) if name.startswith(part)), 9),
                "accuracy" not in name,
                name,
            ),
        )

    def value(self, entry: Entry, key: str) -> str:
        """Return what a key is in a run, as text."""
        value = entry.settings.get(key)
        return "–" if value is None else str(value)

    def curves(self) -> Rows:
        """Return the learning curves: :func:`fovea.report.charts.learning_curves` says how."""
        most = max(2, _POINTS // max(1, len(self.entries)))
        return [
            _curve(entry, most)
            | {"run": entry.id, "cell": cell}
            | {"keys": {"cell": cell} | {key: self.value(entry, key) for key in self.keys}}
            for entry, cell in zip(self.entries, self.cells, strict=True)
            if entry.history
        ]

    def per_class(self) -> Rows:
        """Return the accuracy on every class, of the runs that have it."""
        rows = []
        for entry, cell in zip(self.entries, self.cells, strict=True):
            if accuracies := entry.summary.get("per_class_accuracy"):
                row = {"run": entry.id, "cell": cell, "names": list(accuracies)}
                values = [_short(value) for value in accuracies.values()]
                rows.append(row | {"accuracy": values, "order": list(range(len(values)))})
        return rows

    def confusions(self) -> tuple[Rows, list[str]]:
        """Return the confusion matrix of every cell, and why some runs or cells have none."""
        cells: dict[str, list[Entry]] = {}
        for entry, cell in zip(self.entries, self.cells, strict=True):
            if entry.metrics and entry.recorded:
                cells.setdefault(cell, []).append(entry)
        rows: Rows = []
        missing: list[str] = []
        size = 0
        for cell, members in cells.items():
            names: list[str] = []
            labels, guesses = np.zeros((2, 0), np.int64)
            for entry in members:
                try:
                    predictions = predictions_of(entry.folder, "label", "prediction")
                except FoveaError as error:
                    missing.append(str(error))
                    continue
                if not isinstance(predictions, ClassPredictions):
                    continue
                names = max(names, predictions.classes, key=len)
                labels = np.concatenate([labels, predictions.labels])
                guesses = np.concatenate([guesses, predictions.guesses])
            pairs, counts = np.unique(labels * len(names) + guesses, return_counts=True)
            if not len(pairs):
                continue
            size += len(pairs)
            if size > _CONFUSIONS:
                missing.append(f"the confusion matrix of {cell}: too many for one file")
                continue
            true, predicted = np.divmod(pairs, len(names))
            row = {"cell": cell, "names": names, "count": counts.tolist()}
            rows.append(row | {"true": true.tolist(), "predicted": predicted.tolist()})
        return rows, missing

    def _telling_keys(self) -> list[str]:
        """Return the keys a cell is told by: its arm, and what differs within one."""
        arms: dict[Any, list[Mapping[str, Any]]] = {}
        for entry in self.entries:
            arms.setdefault(entry.settings.get("arm"), []).append(entry.settings)
        within = {key for members in arms.values() for key in differing(members)} | {"arm"}
        return [key for key in self.keys if key in within and key != "seed"]

    def _cell(self, entry: Entry) -> str:
        if not entry.settings:
            return entry.id
        told = []
        for key in self._telling or ["model", "data"]:
            within = key.rpartition(".")[2]
            value = self.value(entry, key)
            told.append(value if within == key else f"{within}={value}")
        return ", ".join(told)


def _curve(entry: Entry, most: int) -> dict[str, Any]:
    history = entry.history
    every = 2 ** math.ceil(math.log2(max(1.0, len(history) / most)))  # runs keep the same epochs
    kept = sorted({*range(0, len(history), every), len(history) - 1})
    seconds = list(accumulate(row.get("seconds", 0.0) for row in history))
    metrics = dict.fromkeys(key for row in history for key in row if "/" in key or key == "lr")
    return {
        "at": list(range(len(kept))),
        "x": {
            "epoch": [int(history[index]["epoch"]) + 1 for index in kept],
            "step": [int(history[index].get("step", 0)) for index in kept],
            "seconds": [_short(seconds[index]) for index in kept],
        },
        "y": {metric: [_told(history[index], metric) for index in kept] for metric in metrics},
    }


def _told(row: Mapping[str, float], metric: str) -> float | str | None:
    """Return a number, ``None`` where it was not recorded, ``"NaN"`` where it was none."""
    value = row.get(metric)
    if value is None:
        return None
    return _short(value) if math.isfinite(value) else "NaN"


def _short(value: float | None) -> float | None:
    """Return a number to four digits."""
    return None if value is None else float(f"{value:.4g}")
