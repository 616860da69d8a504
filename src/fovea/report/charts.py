"""The charts of a report, as Vega-Lite specifications.

Their parameters are bound to the page's own controls (``#metric``, ``#colour`` …), and ``shown``
holds the runs that its filter lets through; ``null`` is all of them. Text is ``currentColor``: the
page says what that is in light and in dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from fovea.problems.predictions import Chart
from fovea.report.coordinates import RESULT

ROWS = alt.NamedData(name="rows")  # what a page fills in

_SHOWN = alt.param(name="shown", value=None)
_IS_SHOWN = "shown == null || indexof(shown, datum.run) >= 0"
_INK = "currentColor"
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'  # the page's
_NAME_WIDTH = 250  # of a line's name, in pixels
_HEIGHT = 420  # of a problem's chart, in pixels
_PALETTE = [
    *("#4878d0", "#ee854a", "#6acc64", "#d65f5f", "#956cb4"),
    *("#8c613c", "#dc7ec0", "#82a0a0", "#c9a227", "#4fb3bf"),
]

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "domainColor": _INK,
        "tickColor": _INK,
        "gridColor": _INK,
        "domainOpacity": 0.4,
        "tickOpacity": 0.4,
        "gridOpacity": 0.12,
        "labelFontSize": 11,
    },
    "legend": {"labelColor": _INK, "labelLimit": _NAME_WIDTH - 40, "labelFontSize": 12},
    "text": {"color": _INK},
}


def learning_curves(shares: Sequence[str]) -> dict[str, Any]:
    """Metrics over the training, one line per run, per cell or per colour.

    Args:
        shares: the metrics that are shares of 1: their axis is in percent.

    A row is a run: ``run``, ``cell``, ``keys`` (its value of every key to colour by), ``at``
    (0, 1, … as many as points), ``x`` (``epoch``, ``step``, ``seconds`` → numbers) and ``y``
    (metric → numbers, ``"NaN"`` where it was none). Where a line is of several runs it is their
    mean, and its band their sample standard deviation; it is drawn where all of them have a number.
    """
    metric, colour, lines, x = (_control(name) for name in ("metric", "colour", "lines", "x"))
    highlight = alt.selection_point(name="highlight", fields=["colour"], bind="legend")
    faint = alt.when(highlight)
    base = (
        alt.Chart(ROWS)
        .transform_filter(_IS_SHOWN)
        .transform_flatten(["at"])
        .transform_calculate(
            raw="isDefined(datum.y[metric]) ? datum.y[metric][datum.at] : null",
            position="datum.x[x][datum.at]",
            epoch="datum.x.epoch[datum.at]",
            colour="datum.keys[colour]",
            line="lines == 'run' ? datum.run : lines == 'cell' ? datum.cell : datum.keys[colour]",
        )
        .transform_filter("datum.raw !== null")
        .transform_calculate(value="datum.raw === 'NaN' ? NaN : datum.raw")
        .transform_aggregate(
            mean="mean(value)",
            deviation="stdev(value)",
            x="mean(position)",
            runs="count()",
            valid="valid(value)",
            groupby=["line", "colour", "epoch"],
        )
        .transform_joinaggregate(most="max(runs)", groupby=["line", "colour"])
        .transform_filter("datum.valid == datum.most")
        .transform_joinaggregate(
            lowest="min(mean)", highest="max(mean)", groupby=["line", "colour"]
        )
        .transform_calculate(
            lower="datum.mean - datum.deviation", upper="datum.mean + datum.deviation"
        )
    )
    axis = alt.Axis(title=None, tickCount=6)
    number = alt.Axis(
        title=None,
        tickCount=6,
        labelExpr="indexof(shares, metric) >= 0 ? format(datum.value, '.1~%') : datum.label",
    )
    common = {
        "x": alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False, zero=False)),
        "color": alt.Color(
            "colour:N",
            scale=alt.Scale(range=_PALETTE),
            legend=alt.Legend(
                title=None,
                orient="top",
                columns={"expr": f"max(1, floor(width / {_NAME_WIDTH}))"},
                symbolLimit=24,
                symbolType="stroke",
                symbolStrokeWidth=4,
                symbolOpacity=1,
            ),
        ),
        "detail": "line:N",
    }
    scale = alt.Scale(zero=False)
    band = base.mark_area(tooltip=False).encode(
        **common,
        y=alt.Y("lower:Q", axis=number, scale=scale),
        y2="upper:Q",
        opacity=faint.then(alt.value(0.18)).otherwise(alt.value(0.03)),
    )
    line = base.mark_line(strokeWidth=2, strokeJoin="round").encode(
        **common,
        y=alt.Y("mean:Q", axis=number, scale=scale),
        opacity=faint.then(alt.value(0.95)).otherwise(alt.value(0.12)),
        tooltip=[
            alt.Tooltip("line:N", title="line"),
            alt.Tooltip("colour:N", title="colour"),
            alt.Tooltip("most:Q", title="runs"),
            alt.Tooltip("lowest:Q", title="lowest", format=".4g"),
            alt.Tooltip("highest:Q", title="highest", format=".4g"),
        ],
    )
    percent = alt.param(name="shares", value=list(shares))
    params = (_SHOWN, percent, metric, colour, lines, x, highlight)
    chart = alt.layer(band, line).add_params(*params)
    return _specification(chart, height=340)


def parallel_coordinates(axes: Sequence[str]) -> dict[str, Any]:
    """A line per run over the keys in which runs differ, ending at a metric.

    Args:
        axes: the keys, from the left; rows are :func:`fovea.report.coordinates.coordinates`.
    """
    outcome = _control("outcome")
    names = [*axes, RESULT]
    base = (
        alt.Chart(ROWS)
        .transform_filter("datum.metric === null || datum.metric === outcome")
        .transform_filter(_IS_SHOWN)
        .transform_joinaggregate(result="max(result)", groupby=["run"])
    )
    x = alt.X(
        "axis:N",
        sort=names,
        scale=alt.Scale(domain=names, padding=0.35),
        axis=alt.Axis(
            title=None,
            orient="top",
            labelAngle=0,
            labelExpr=f"datum.value === '{RESULT}' ? outcome : datum.value",
            labelFontWeight="bold",
            labelLimit=160,
            labelPadding=12,
            domain=False,
            ticks=False,
            grid=True,
            gridOpacity=0.5,
        ),
    )
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[0, 1]))
    hovered = alt.selection_point(name="hovered", fields=["run"], on="pointerover", empty=False)
    line = (
        base.mark_line(interpolate="monotone")
        .encode(
            x=x,
            y=y,
            detail="run:N",
            order="order:Q",
            color=alt.Color(
                "result:Q",
                scale=alt.Scale(range=["#3f6fd1", "#c2698f", "#f08c2e"], zero=False),
                legend=None,
            ),
            strokeWidth=alt.when(hovered).then(alt.value(4)).otherwise(alt.value(1.6)),
            opacity=alt.when(hovered).then(alt.value(1)).otherwise(alt.value(0.65)),
            tooltip=[alt.Tooltip("run:N", title="run"), alt.Tooltip("told:N", title="config")],
        )
        .add_params(_SHOWN, outcome, hovered)
    )
    labels = base.transform_aggregate(groupby=["axis", "place", "label"]).encode(
        x=x, y=y, text="label:N"
    )
    text = labels.mark_text(align="left", dx=7)
    halo = labels.mark_text(align="left", dx=7, stroke="var(--card)", strokeWidth=5)
    return _specification(alt.layer(line, halo, text), height=300)


def of_problem(chart: Chart, control: str) -> dict[str, Any]:
    """Return the specification of a problem's own chart, as the page draws it.

    Args:
        chart: as the problem declares it.
        control: the control by which a cell is chosen, where the chart shows one.
    """
    given = dict(chart.specification)
    if chart.by_cell:
        bind = {"element": f"#{control}", "event": "change"}
        param: dict[str, Any] = {"name": "cell", "bind": bind}
        shown = "datum.cell === cell"
    else:
        param, shown = {"name": "shown", "value": None}, _IS_SHOWN
    placed = {
        "config": given.get("config", {}) | _CONFIG,
        "params": [*given.get("params", []), param],
        "transform": [{"filter": shown}, *given.get("transform", [])],
    }
    return {"width": "container", "height": _HEIGHT} | given | placed


def _control(name: str) -> alt.Parameter:
    """A parameter that a control of the page sets; the page's first value is its own."""
    return alt.param(name=name, bind=alt.BindDirect(element=f"#{name}", event="change"))


def _specification(chart: alt.LayerChart | alt.FacetChart, height: int) -> dict[str, Any]:
    return chart.properties(width="container", height=height).configure(**_CONFIG).to_dict()
