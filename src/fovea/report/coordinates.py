"""Where runs lie on parallel axes: one per key in which they differ, and one for a result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

RESULT = "result"  # the name of the last axis, whichever metric it shows
_LABELLED = 8  # values of an axis that are all written at it; of more, the least and the greatest


def coordinates(
    runs: Sequence[str],
    told: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    metrics: Mapping[str, Sequence[float | None]],
) -> list[dict[str, Any]]:
    """Place runs on axes, between 0 and 1, one row for each run and axis.

    Numbers are placed by size, on a logarithmic axis where they are positive and span a factor of
    ten; other values are spread evenly. A run without a value is not on that axis.

    Args:
        runs: their ids.
        told: what each run is told by in words.
        values: of each axis, per run.
        metrics: the results that the last axis may show, per run.
    """
    columns = [(axis, None, column) for axis, column in values.items()]
    columns += [(RESULT, metric, column) for metric, column in metrics.items()]
    order = {axis: index for index, axis in enumerate([*values, RESULT])}
    rows = []
    for axis, metric, column in columns:
        labels = _labels(column)
        for run, words, value, place, label in zip(
            runs, told, column, _places(column), labels, strict=True
        ):
            if place is not None:
                row = {"run": run, "told": words, "axis": axis, "metric": metric}
                rows.append(
                    row
                    | {"order": order[axis], "place": round(place, 4), "label": label}
                    | ({"result": value} if metric else {})
                )
    return rows


def _places(values: Sequence[Any]) -> list[float | None]:
    numbers = [each for each in values if _is_number(each)]
    if not all(each is None or _is_number(each) for each in values):
        kinds = list(dict.fromkeys(str(each) for each in values if each is not None))
        step = 1 / max(1, len(kinds) - 1)
        return [None if each is None else kinds.index(str(each)) * step for each in values]
    low, high = min(numbers), max(numbers)
    scale = math.log if low > 0 and high >= 10 * low else float
    span = scale(high) - scale(low)
    return [
        None if each is None else (scale(each) - scale(low)) / span if span else 0.5
        for each in values
    ]


def _labels(values: Sequence[Any]) -> list[str]:
    numbers = sorted({each for each in values if _is_number(each)})
    written = numbers if len(numbers) <= _LABELLED else [numbers[0], numbers[-1]]
    return [
        ("" if each not in written else f"{each:.4g}") if _is_number(each) else str(each)
        for each in values
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
