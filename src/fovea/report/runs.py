"""Runs seen together: what tells them apart, and the rows of their charts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from fovea.config.errors import FoveaError
from fovea.config.identity import REPEATS
from fovea.problems.predictions import Chart, Predictions, RecordedRun
from fovea.problems.recorded import predictions_class, predictions_of, predictions_target
from fovea.records.quantities import of_record, quantity_of, watched
from fovea.report.differences import differing_settings
from fovea.report.entries import ReportedRun

_POINTS = 12_000  # of all learning curves, for each metric; longer histories are thinned evenly

_Rows = list[dict[str, Any]]


class Overview:
    """Runs, and what tells them from each other.

    Args:
        entries: the runs.

    Attributes:
        keys: the settings in which they differ, seed and fold last.
        cells: of each run, what tells its cell (the runs that differ in seed and fold only) from
            others.
        watched: the quantity by which most runs were watched.
        metrics: the names of the final metrics, those of the test part first.
    """

    def __init__(self, entries: Sequence[ReportedRun]) -> None:
        self.entries = entries
        found = differing_settings([entry.settings for entry in entries if entry.settings])
        self.keys = sorted(found, key=REPEATS.__contains__)
        self.hyperparameters = [key for key in self.keys if key not in (*REPEATS, "experiment")]
        self._telling = self._telling_keys()
        self.cells = [self._cell(entry) for entry in entries]
        self.watched = _watched(entries)
        names = {name for entry in entries for name in entry.metrics}
        parts = ("test/", "val/", "train/")
        self.metrics = sorted(
            names,
            key=lambda name: (
                next((place for place, part in enumerate(parts) if name.startswith(part)), 9),
                self.watched not in name,
                name,
            ),
        )

    def value(self, entry: ReportedRun, key: str) -> str:
        """Return what a key is in a run, as text."""
        value = entry.settings.get(key)
        return "–" if value is None else str(value)

    def curves(self) -> _Rows:
        """Return the learning curves: :func:`fovea.report.charts.learning_curves` says how."""
        most = max(2, _POINTS // max(1, len(self.entries)))
        return [
            _curve(entry, most)
            | {"run": entry.id, "cell": cell}
            | {"keys": {"cell": cell} | {key: self.value(entry, key) for key in self.keys}}
            for entry, cell in zip(self.entries, self.cells, strict=True)
            if entry.history
        ]

    def shares(self) -> list[str]:
        """Return the metrics that are shares of 1 in every run that recorded them."""
        of_metric: dict[str, set[str]] = {}
        for entry in self.entries:
            quantities = of_record(entry.summary)
            for metric in {key for row in entry.history for key in row}:
                of_metric.setdefault(metric, set()).add(quantity_of(metric, quantities).format)
        return sorted(metric for metric, formats in of_metric.items() if formats == {"percent"})

    def of_problems(self) -> tuple[list[list[Chart]], list[str]]:
        """Return the charts of each problem that runs are of, and why some are not drawn."""
        runs: dict[str, list[tuple[ReportedRun, str]]] = {}
        for entry, cell in zip(self.entries, self.cells, strict=True):
            if entry.metrics and entry.recorded:
                runs.setdefault(predictions_target(entry.summary), []).append((entry, cell))
        charts: list[list[Chart]] = []
        missing: list[str] = []
        for target, members in runs.items():
            try:
                kind = predictions_class(target)
            except FoveaError as error:
                count = "1 run" if len(members) == 1 else f"{len(members)} runs"
                missing.append(f"charts of the problem of {count}, if it has any: {error}")
                continue
            damaged: dict[str, None] = {}
            own = kind.charts([_readable(entry, cell, damaged) for entry, cell in members])
            charts.append(own)
            missing += [reason for chart in own for reason in chart.missing] + list(damaged)
        return charts, missing

    def _telling_keys(self) -> list[str]:
        """Return the keys a cell is told by: its arm, and what differs within one."""
        arms: dict[Any, list[Mapping[str, Any]]] = {}
        for entry in self.entries:
            arms.setdefault(entry.settings.get("arm"), []).append(entry.settings)
        within = {key for members in arms.values() for key in differing_settings(members)} | {"arm"}
        return [key for key in self.keys if key in within and key not in REPEATS]

    def _cell(self, entry: ReportedRun) -> str:
        if not entry.settings:
            return entry.id
        told = []
        for key in self._telling or ["model", "data"]:
            within = key.rpartition(".")[2]
            value = self.value(entry, key)
            told.append(value if within == key else f"{within}={value}")
        return ", ".join(told)


def _readable(entry: ReportedRun, cell: str, damaged: dict[str, None]) -> RecordedRun:
    """Return a run as charts read it; what cannot be read is added to the damaged ones."""

    def read(*columns: str) -> Predictions | None:
        try:
            return predictions_of(entry.folder, *columns)
        except FoveaError as error:
            damaged[str(error)] = None
            return None

    return RecordedRun(entry.id, cell, entry.summary, read)


def _watched(entries: Sequence[ReportedRun]) -> str:
    """Return the quantity by which most runs were watched; ``loss`` where none was tested."""
    counts = Counter(watched(entry.summary) for entry in entries if entry.metrics)
    return counts.most_common(1)[0][0] if counts else "loss"


def _curve(entry: ReportedRun, most: int) -> dict[str, Any]:
    history = entry.history
    every = 2 ** math.ceil(math.log2(max(1.0, len(history) / most)))  # runs keep the same epochs
    kept = sorted({*range(0, len(history), every), len(history) - 1})
    seconds = list(accumulate(row.get("seconds", 0.0) for row in history))
    metrics = dict.fromkeys(key for row in history for key in row if "/" in key or key == "lr")
    return {
        "at": list(range(len(kept))),
        "x": {
            "epoch": [int(history[index]["epoch"]) for index in kept],
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
