"""The report's charts that several problems draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from fovea.problems.predictions import Chart, RecordedRun

ROWS = alt.NamedData(name="rows")
ACCENT = "#4878d0"
CLASSES = "Classes"  # the heading of charts by class


def share_by_class(
    runs: Sequence[RecordedRun], key: str, *, quantity: str, title: str, note: str
) -> Chart:
    """Return a share of 1 for every class, of the runs whose summary has it.

    A row is a run: ``run``, ``cell``, and per class its ``names``, the ``quantity`` and ``order``.

    Args:
        runs: those that are shown.
        key: of the summary, which holds the shares by class; ``None`` of a class without any.
        quantity: the name of the share.
        title, note: of the chart.
    """
    rows = []
    for run in runs:
        found = run.summary.get(key)
        if isinstance(found, Mapping) and found:
            values = [None if each is None else float(f"{each:.4g}") for each in found.values()]
            row = {"run": run.id, "cell": run.cell, "names": list(found)}
            rows.append(row | {quantity: values, "order": list(range(len(values)))})
    return Chart(CLASSES, title, note, _by_class(quantity), rows, by_cell=True)


def _by_class(quantity: str) -> dict[str, Any]:
    base = alt.Chart(ROWS).transform_flatten(["names", quantity, "order"])
    y = alt.Y(
        "names:N",
        sort=alt.EncodingSortField("order", op="min"),
        axis=alt.Axis(title=None, labelLimit=110, labelOverlap=True, grid=True),
    )
    axis = alt.Axis(title=quantity, format=".1~%", tickCount=6)
    scale = alt.Scale(zero=False, domainMax=1, nice=True)
    mean = base.mark_tick(color=ACCENT, thickness=3, size=16).encode(
        x=alt.X(f"mean({quantity}):Q", axis=axis, scale=scale), y=y
    )
    points = base.mark_circle(size=42, opacity=0.6, color=ACCENT).encode(
        x=alt.X(f"{quantity}:Q", axis=axis, scale=scale),
        y=y,
        tooltip=["run:N", "names:N", alt.Tooltip(f"{quantity}:Q", format=".2%")],
    )
    return alt.layer(points, mean).to_dict()
