"""Numbers as a table shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fovea.tables.definition import Column, Reference
from fovea.tables.expressions import Reading
from fovea.tables.statistics import Comparison, Ratio
from fovea.tables.table import Entry
from fovea.tables.verdicts import Verdict

NOT_RUN = "not run"
NOT_RECORDED = "not recorded"
_DIGITS = {"percent": 2, "count": 0, "seconds": 1, "number": 4}


def shown_number(value: float, column: Column) -> str:
    """Return a number of a column, in its unit but without it."""
    scale = 100 if column.format == "percent" else 1
    text = f"{value * scale:z,.{_digits(column)}f}"
    return text.replace("-", "−")


def shown_entry(entry: Entry, column: Column) -> str:
    """Return mean ± sample standard deviation and n; or what there is instead of a mean."""
    if not entry.readings:
        return NOT_RECORDED if entry.runs else NOT_RUN
    measured = entry.measurement
    if measured is None:
        return _censored(entry.readings, column)
    n = measured.n
    if not math.isfinite(measured.mean):
        bad = sum(not math.isfinite(reading.value) for reading in entry.readings.values())
        return f"no number in {bad} of {n}"
    unit = " %" if column.format == "percent" else ""
    mean = shown_number(measured.mean, column)
    if column.format in ("count", "seconds") and not measured.std:
        return f"{mean}{unit}"
    spread = "" if measured.std is None else f" ± {shown_number(measured.std, column)}"
    interval = ""
    if column.interval and measured.low is not None and measured.high is not None:
        interval = f" {_interval(measured.low, measured.high, column)}"
    return f"{mean}{spread}{unit}{interval} (n = {n})"


def shown_comparison(entry: Entry, column: Column) -> str:
    """Return the difference to the baseline, its interval, and the corrected p."""
    told: Comparison | None = entry.comparison
    if told is None:
        return "–"
    text = shown_difference(told.difference, column, sign=True)
    if told.low is None or told.high is None:
        return f"{text}, {shown_p(None)}"
    return f"{text} {_interval(told.low, told.high, column)}, {shown_p(entry.p)}"


def shown_difference(value: float, column: Column, *, sign: bool = False) -> str:
    """Return a difference; of shares, in percentage points."""
    unit = " pp" if column.format == "percent" else ""
    plus = "+" if sign and value > 0 else ""
    return f"{plus}{shown_number(value, column)}{unit}"


def shown_ratio(ratio: Ratio | None) -> str:
    """Return a ratio to the baseline, and its interval."""
    if ratio is None:
        return "–"
    if ratio.bound:
        return f"{ratio.bound} {ratio.value:.2f}"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.2f}"
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def shown_p(p: float | None) -> str:
    """Return a p value to three places."""
    if p is None:
        return "no test"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def shown_reference(reference: Reference, column: Column) -> str:
    """Return a published value, with its spread and n where the source states them."""
    if reference.ratio:
        return f"{reference.value:g} ×"
    unit = " %" if column.format == "percent" else ""
    spread = "" if reference.std is None else f" ± {shown_number(reference.std, column)}"
    runs = "" if reference.n is None else f" (n = {reference.n})"
    beyond = {"higher": "> ", "lower": "< ", None: ""}[column.better] if reference.bound else ""
    return f"{beyond}{shown_number(reference.value, column)}{spread}{unit}{runs}"


def shown_verdict(verdict: Verdict, entry: Entry, reference: Reference, column: Column) -> str:
    """Return a verdict in words."""
    kind, difference = verdict.kind, verdict.difference
    if kind == "not comparable":
        return f"not comparable ({verdict.why})"
    if kind == "not measured" or difference is None:
        return "–"
    apart = (
        f"{abs(difference):.2f}" if reference.ratio else shown_difference(abs(difference), column)
    )
    alone = len(entry.readings) == 1 and column.format != "count"
    runs = " (n = 1)" if alone else ""
    if kind == "reproduced":
        return f"reproduced{runs}"
    if kind == "undecided":
        return f"undecided: {apart} off, too few runs{runs}"
    return f"{kind} by {apart}{runs}"


def _censored(readings: Mapping[int, Reading], column: Column) -> str:
    """Return every reading of a cell in which a run never got there: there is no mean of them."""
    ordered = sorted(readings.values(), key=lambda each: (each.censored, each.value))
    texts = [f"{'> ' * each.censored}{shown_number(each.value, column)}" for each in ordered]
    told = texts[0] if len(set(texts)) == 1 else ", ".join(texts)
    return f"{told} (n = {len(texts)})"


def _interval(low: float, high: float, column: Column) -> str:
    return f"[{shown_number(low, column)}, {shown_number(high, column)}]"


def _digits(column: Column) -> int:
    return _DIGITS[column.format] if column.digits is None else column.digits
