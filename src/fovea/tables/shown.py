"""Numbers as a table shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fovea.stats.estimates import Comparison, Ratio
from fovea.stats.power import RUNS_CAP
from fovea.tables.cells import Repeat
from fovea.tables.definition import Column
from fovea.tables.expressions import Reading
from fovea.tables.references import Reference
from fovea.tables.table import Entry
from fovea.tables.verdicts import Verdict

NOT_RUN = "not run"
NOT_MEASURED = "not measured"
_DIGITS = {"percent": 2, "count": 0, "seconds": 1, "number": 4}


def shown_number(value: float, column: Column) -> str:
    """Return a number of a column, in its unit but without it."""
    scale = 100 if column.format == "percent" else 1
    text = f"{value * scale:z,.{_digits(column)}f}"
    return text.replace("-", "−")


def shown_entry(entry: Entry, column: Column) -> str:
    """Return mean ± sample standard deviation and n; or what there is instead of a mean."""
    if not entry.readings:
        return NOT_MEASURED if entry.runs else NOT_RUN
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
    compared: Comparison | None = entry.comparison
    if compared is None:
        return "–"
    text = shown_difference(compared.difference, column, sign=True)
    if compared.low is None or compared.high is None:
        return f"{text}, {shown_p(entry.p)}"
    return f"{text} {_interval(compared.low, compared.high, column)}, {shown_p(entry.p)}"


def shown_difference(value: float, column: Column, *, sign: bool = False) -> str:
    """Return a difference; of shares, in percentage points."""
    unit = " pp" if column.format == "percent" else ""
    return f"{_signed(shown_number(value, column), value, sign=sign)}{unit}"


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
        return "untested (n = 1)"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def shown_reference(reference: Reference, column: Column) -> str:
    """Return a published value, with its spread and n where the source states them."""
    ends = dict.fromkeys((reference.low, reference.high))
    if reference.ratio:
        return f"{' to '.join(f'{end:g}' for end in ends)} ×"
    unit = " %" if column.format == "percent" else ""
    value = " to ".join(shown_number(end, column) for end in ends)
    spread = "" if reference.std is None else f" ± {shown_number(reference.std, column)}"
    aggregate = [] if reference.aggregate == "mean" else [reference.aggregate]
    runs = ", ".join([*aggregate, *([] if reference.n is None else [f"n = {reference.n}"])])
    beyond = {"higher": "> ", "lower": "< ", None: ""}[column.better] if reference.bound else ""
    return f"{beyond}{value}{spread}{unit}{f' ({runs})' * bool(runs)}"


def shown_margin(margin: float, reference: Reference, column: Column) -> str:
    """Return how far off still counts as the same."""
    if reference.ratio:
        return f"{100 * margin:g} %"
    return shown_difference(margin, column)


def shown_verdict(verdict: Verdict, reference: Reference, column: Column) -> str:
    """Return a verdict: its word, and the numbers it rests on."""
    kind, difference = verdict.kind, verdict.difference
    if kind == "not comparable":
        return f"not comparable ({verdict.why})"
    if difference is None:
        return "–"

    def plain(value: float, *, sign: bool = False) -> str:
        if reference.ratio:
            return _signed(f"{value:z.2f}".replace("-", "−"), value, sign=sign)
        return shown_difference(value, column, sign=sign)

    signed = plain(difference, sign=True)
    interval = ""
    if verdict.low is not None and verdict.high is not None:
        ends = (plain(end).removesuffix(" pp") for end in (verdict.low, verdict.high))
        interval = f" [{', '.join(ends)}]"
    same = "within its range"
    if verdict.margin is not None:
        same = f"within ±{shown_margin(verdict.margin, reference, column)}"
    match kind:
        case "reproduced" if interval:
            return f"reproduced ({signed}, {same})"
        case "better" | "short" | "differs" | "missed":
            least = "more than " if verdict.why else ""
            return f"{kind} by {least}{plain(abs(difference))}"
        case "consistent":
            more = verdict.why or _settled(verdict.needed, same)
            return f"consistent ({signed}{interval}; {more})"
        case "near, not equal":
            return f"near, not equal ({signed}{interval})"
        case "undecided":
            return f"undecided ({verdict.why or signed + interval})"
        case "one run":
            return f"one run ({signed}, no verdict)"
        case "no verdict":
            return f"no verdict ({signed}: {verdict.why})"
        case _:
            return kind


def _signed(text: str, value: float, *, sign: bool) -> str:
    """Return a number with its plus, where a sign is wanted and it is not 0 as printed."""
    return f"+{text}" if sign and value > 0 and text.strip("0.,") else text


def _settled(needed: int | None, same: str) -> str:
    """Return how many runs would show that two values are the same."""
    if needed is None:
        return f"no n would show it {same}"
    if needed > RUNS_CAP:
        return f"to show it {same} would take n > {RUNS_CAP:,}"
    return f"n = {needed} could show it {same}"


def _censored(readings: Mapping[Repeat, Reading], column: Column) -> str:
    """Return every reading of a cell in which a run never got there: there is no mean of them."""
    ordered = sorted(readings.values(), key=lambda each: (each.censored, each.value))
    texts = [f"{'> ' * each.censored}{shown_number(each.value, column)}" for each in ordered]
    shown = texts[0] if len(set(texts)) == 1 else ", ".join(texts)
    return f"{shown} (n = {len(texts)})"


def _interval(low: float, high: float, column: Column) -> str:
    return f"[{shown_number(low, column)}, {shown_number(high, column)}]"


def _digits(column: Column) -> int:
    return _DIGITS[column.format] if column.digits is None else column.digits
