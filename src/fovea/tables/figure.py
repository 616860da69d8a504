"""A table as a picture: every run a point, mean and interval of each row, the published values."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fovea.tables.definition import Column
from fovea.tables.table import Entry, Table

FORMATS = ("png", "svg", "pdf")
_WIDE = 3  # panels side by side
# Okabe and Ito's colours, which the colour-blind tell apart
_RUN, _MEAN, _PUBLISHED = "#0072B2", "#000000", "#D55E00"
# no random ids in SVG, its text as text; the same bytes every time
_STYLE: Any = {"svg.hashsalt": "fovea", "svg.fonttype": "none", "font.size": 9}
_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_HASHED_ID = re.compile(r'(?<=[#"])[mp][0-9a-f]{10}(?=[")])')  # changes with the last digit


def figures(table: Table, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """Draw a table, a panel per measured column; counts only if all are. Return the files' content.

    Args:
        formats: of those in ``FORMATS``.
    """
    with mpl.rc_context(_STYLE):
        pictures = {}
        for kind in formats:
            stream = io.BytesIO()
            # drawn anew: saving moves the layout a little, by the resolution of the format
            _draw(table).savefig(stream, format=kind, dpi=120, metadata=_METADATA[kind])
            pictures[kind] = stream.getvalue()
    return pictures


def same_drawing(one: str, other: str) -> bool:
    """Return whether two SVG pictures differ by rounding only: by less than 0.05 points."""
    (words, numbers), (other_words, other_numbers) = map(_words_and_numbers, (one, other))
    return words == other_words and all(
        abs(float(a) - float(b)) < 0.05 for a, b in zip(numbers, other_numbers, strict=True)
    )


def _words_and_numbers(svg: str) -> tuple[list[str], list[str]]:
    parts = re.split(r"(-?\d+\.?\d*(?:e-?\d+)?)", _HASHED_ID.sub("", svg))
    return parts[::2], parts[1::2]


def _draw(table: Table) -> Figure:
    columns = range(len(table.columns))
    measured = [at for at in columns if table.columns[at].column.format != "count"]
    shown = measured or list(columns)
    wide = min(_WIDE, len(shown))
    high = -(-len(shown) // wide)
    figure = Figure(
        figsize=(1.8 + 3.2 * wide, high * (1.1 + 0.32 * len(table.rows))), layout="constrained"
    )
    panels = figure.subplots(high, wide, squeeze=False, sharey=True).flat
    for axes, at in zip(panels, shown, strict=False):
        head = table.columns[at]
        for place, row in enumerate(table.rows):
            _draw_row(axes, place, row.entries[at], head.column)
        axes.set_xlabel(_plain(head.label) + (" (%)" if head.column.format == "percent" else ""))
        every = [each.value for row in table.rows for each in row.entries[at].readings.values()]
        if head.column.format == "count" and every and min(every) > 0:
            axes.set_xscale("log")  # networks differ by orders of magnitude
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        axes.set_yticks(range(len(table.rows)), [_plain(row.label) for row in table.rows])
        axes.set_ylim(len(table.rows) - 0.5, -0.5)
    for axes in figure.axes[len(shown) :]:
        axes.remove()
    kinds = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if kinds:
        figure.legend(
            list(kinds.values()), list(kinds), loc="outside upper center", ncols=2, frameon=False
        )
    return figure


def _draw_row(axes: Axes, place: int, entry: Entry, column: Column) -> None:
    """Draw one row of a panel: runs below the line, mean and interval on it."""
    for censored, marker, label in (
        (False, "o", "a run"),
        (True, ">", "a run that ended before it got there"),
    ):
        values = [
            _scaled(each.value, column)
            for each in entry.readings.values()
            if each.censored == censored and math.isfinite(each.value)
        ]
        if values:
            heights = [place + 0.2] * len(values)
            axes.scatter(values, heights, s=16, marker=marker, color=_RUN, alpha=0.7, label=label)
    measured = entry.measurement
    if measured is not None and measured.low is not None and measured.high is not None:
        ends = measured.mean, measured.low, measured.high
        if all(map(math.isfinite, ends)):
            mean, low, high = (_scaled(value, column) for value in ends)
            reach = [[mean - low], [high - mean]]
            label = "mean, 95 % interval"
            style: Any = {"fmt": "D", "ms": 4, "capsize": 3, "color": _MEAN}
            axes.errorbar(mean, place, xerr=reach, label=label, **style)
    for reference, _ in entry.published:
        if not reference.ratio:
            for end in dict.fromkeys((reference.low, reference.high)):
                x, heights = _scaled(end, column), [place - 0.4, place + 0.4]
                axes.plot([x, x], heights, color=_PUBLISHED, lw=2, label="published")


def _scaled(value: float, column: Column) -> float:
    return 100 * value if column.format == "percent" else value


def _plain(text: str) -> str:
    """Return text that Matplotlib does not read as a formula."""
    return text.replace("$", r"\$")
