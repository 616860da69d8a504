"""The report's charts of classifiers: the confusion matrix, and the accuracy on every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import numpy as np

from fovea.problems.charts import ACCENT, CLASSES, ROWS, share_by_class
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.predictions import Chart, RecordedRun

_LARGEST = 100_000  # entries of all confusion matrices that are not 0


def class_charts(runs: Sequence[RecordedRun]) -> list[Chart]:
    """Return the charts of tested classifiers."""
    by_class = share_by_class(
        runs,
        "per_class_accuracy",
        quantity="accuracy",
        title="Accuracy on every class",
        note="Test accuracy on every class: the runs as points, their mean as a line.",
    )
    return [confusion(runs), by_class]


def confusion(runs: Sequence[RecordedRun]) -> Chart:
    """Return the confusion matrices of every cell, summed over its runs.

    A row is a cell: ``cell``, ``names``, and one number per entry that is not 0 in ``true``,
    ``predicted`` (indices of names) and ``count``.
    """
    cells: dict[str, list[RecordedRun]] = {}
    for run in runs:
        cells.setdefault(run.cell, []).append(run)
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    size = 0
    for cell, members in cells.items():
        names: list[str] = []
        labels, guesses = np.zeros((2, 0), np.int64)
        for run in members:
            predictions = cast(ClassPredictions | None, run.read("label", "prediction"))
            if predictions is not None:
                names = max(names, predictions.classes, key=len)
                labels = np.concatenate([labels, predictions.labels])
                guesses = np.concatenate([guesses, predictions.guesses])
        pairs, counts = np.unique(labels * len(names) + guesses, return_counts=True)
        if not len(pairs):
            continue
        size += len(pairs)
        if size > _LARGEST:
            missing.append(f"the confusion matrix of {cell}: too many for one file")
            continue
        true, predicted = np.divmod(pairs, len(names))
        row = {"cell": cell, "names": names, "count": counts.tolist()}
        rows.append(row | {"true": true.tolist(), "predicted": predicted.tolist()})
    return Chart(
        section=CLASSES,
        title="Confusion matrix",
        note="Test samples, summed over the cell's runs; coloured by share of the true class.",
        specification=_confusion_specification(),
        rows=rows,
        by_cell=True,
        missing=missing,
    )


def _confusion_specification() -> dict[str, Any]:
    base = (
        alt.Chart(ROWS)
        .transform_flatten(["true", "predicted", "count"])
        .transform_joinaggregate(total="sum(count)", groupby=["true"])
        .transform_calculate(
            share="datum.count / datum.total",
            label="datum.names[datum.true]",
            guess="datum.names[datum.predicted]",
        )
    )
    names = {"labelLimit": 110, "labelOverlap": True, "grid": False}
    x = alt.X(
        "guess:N",
        sort=alt.EncodingSortField("predicted", op="min"),
        axis=alt.Axis(title="predicted", labelAngle=-60, **names),
    )
    y = alt.Y(
        "label:N",
        sort=alt.EncodingSortField("true", op="min"),
        axis=alt.Axis(title="true", **names),
    )
    cells = base.mark_rect(color=ACCENT).encode(
        x=x,
        y=y,
        opacity=alt.Opacity(
            "share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0.03, 1]), legend=None
        ),
        tooltip=[
            alt.Tooltip("label:N", title="true"),
            alt.Tooltip("guess:N", title="predicted"),
            alt.Tooltip("count:Q", title="samples"),
            alt.Tooltip("share:Q", title="share of the class", format=".2%"),
        ],
    )
    ink = (
        alt.when("datum.share > 0.5").then(alt.value("white")).otherwise(alt.value("currentColor"))
    )
    counts = (
        base.transform_filter("length(datum.names) <= 15")
        .mark_text(fontSize=10)
        .encode(x=x, y=y, text="count:Q", color=ink)
    )
    return alt.layer(cells, counts).to_dict()
