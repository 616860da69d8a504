"""A report: one HTML file that needs nothing else, neither a server nor a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fovea import __version__
from fovea.problems.predictions import Chart
from fovea.report import charts
from fovea.report.coordinates import coordinates
from fovea.report.entries import ReportedRun
from fovea.report.listing import listing
from fovea.report.runs import Overview, _Rows
from fovea.tables.html import STYLE

_NAMED = 12  # cells that have a colour each, at first
_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Section:
    """The charts of one problem below one heading.

    Args:
        heading: theirs.
        control: the id of the control that chooses a cell.
        cells: to be chosen from; empty where no chart shows a single one.
        charts: by the id of their element.
    """

    heading: str
    control: str
    cells: list[str]
    charts: dict[str, Chart]


def page(
    title: str, entries: Sequence[ReportedRun], tables: Mapping[str, str], folder: Path
) -> str:
    """Return a report as HTML.

    Args:
        title: its heading.
        entries: the runs.
        tables: of each experiment shown, its name and its table as HTML.
        folder: where the file will be: links to the runs are relative to it.
    """
    overview = Overview(entries)
    curves, results = overview.curves(), _results(overview)
    own, missing = overview.of_problems()
    sections = _sections(own)
    drawn = {
        name: specification | {"datasets": {charts.ROWS.name: rows}}
        for name, specification, rows in (
            ("curves", charts.learning_curves(overview.shares()), curves),
            (
                "parallel",
                charts.parallel_coordinates(overview.hyperparameters),
                _coordinates(overview, results),
            ),
            *(
                (id, charts.of_problem(chart, section.control), chart.rows)
                for section in sections
                for id, chart in section.charts.items()
            ),
        )
        if rows
    }
    metrics = list(dict.fromkeys(metric for row in curves for metric in row["y"]))
    lines = listing(overview, folder)
    statuses = [entry.status for entry in entries]
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=title,
        version=__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=_asset("page.css") + Markup(STYLE),
        script=_asset("page.js"),
        licence=_asset("vega-licence.txt"),
        bundle=_bundle(),
        charts=_json(drawn),
        drawn=drawn,
        statuses={status: statuses.count(status) for status in dict.fromkeys(statuses)},
        tables={name: Markup(table) for name, table in tables.items()},
        runs=lines,
        numeric={key for line in lines for key, cell in line.cells.items() if cell.is_number},
        metrics=metrics,
        metric=_preferred(metrics, overview.watched),
        colours=["cell", *overview.keys],
        colour="cell" if len(set(overview.cells)) <= _NAMED else overview.keys[0],
        several=len(set(overview.cells)) < len(entries),
        results=list(results),
        sections=sections,
        missing=missing,
    )


def _sections(problems: Sequence[Sequence[Chart]]) -> list[Section]:
    """Return the charts of each problem that have rows, by their headings."""
    number = count(1)
    sections = []
    for own in problems:
        headings: dict[str, dict[str, Chart]] = {}
        for chart in own:
            if chart.rows:
                headings.setdefault(chart.section, {})[f"chart-{next(number)}"] = chart
        for heading, members in headings.items():
            rows = [row for chart in members.values() if chart.by_cell for row in chart.rows]
            cells = list(dict.fromkeys(row["cell"] for row in rows))
            sections.append(Section(heading, f"cell-{len(sections) + 1}", cells, members))
    return sections


def _preferred(metrics: Sequence[str], watched: str) -> str | None:
    """Return the curve that is shown at first: that of the quantity by which runs were watched."""
    for name in (f"val/{watched}", f"train/{watched}", *metrics):
        if name in metrics:
            return name
    return None


def _results(overview: Overview) -> dict[str, list[float | None]]:
    """Return every final metric that some run has, per run; ``None`` is what was no number."""
    values = {
        name: [entry.metrics.get(name) for entry in overview.entries] for name in overview.metrics
    }
    return {name: each for name, each in values.items() if any(one is not None for one in each)}


def _coordinates(overview: Overview, results: Mapping[str, Sequence[float | None]]) -> _Rows:
    """Return the rows of the parallel coordinates: none where there is nothing to compare."""
    if not overview.hyperparameters or not results:
        return []
    settings = [entry.settings for entry in overview.entries]
    return coordinates(
        [entry.id for entry in overview.entries],
        overview.cells,
        {key: [each.get(key) for each in settings] for key in overview.hyperparameters},
        results,
    )


def _json(value: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))


@cache
def _bundle() -> Markup:
    """Return Vega, Vega-Lite and Vega-Embed as one script, of the version altair writes for."""
    major, minor, *_ = alt.SCHEMA_VERSION.removeprefix("v").split(".")
    version = f"{major}.{minor}"
    return Markup(vl_convert.javascript_bundle(vl_version=version))  # pyright: ignore[reportCallIssue]


def _asset(name: str) -> Markup:
    return Markup((_ASSETS / name).read_text(encoding="utf-8"))
