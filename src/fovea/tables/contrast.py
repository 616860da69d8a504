"""Rows held against each other, against the baseline, and against what is published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fovea.tables.definition import Column, TableDefinition
from fovea.tables.statistics import ALPHA, Comparison, compare, holm, ratio
from fovea.tables.table import Entry, Head, Row
from fovea.tables.verdicts import Verdict, judge, judge_ratio


@dataclass(frozen=True)
class Lead:
    """How far the best row of a column is ahead of the next.

    Args:
        best, second: their places.
        comparison: the best less the second.
        p: of it, Holm-corrected over the comparisons of the best with every other row.
    """

    best: int
    second: int
    comparison: Comparison
    p: float | None

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p < ALPHA


def lead(entries: Sequence[Entry], column: Column) -> Lead | None:
    """Return the two best entries of a column; ``None`` where it is not ranked, or they are equal.

    An entry with a run that has no number, or never got there, has no mean to be ranked by.
    """
    if column.better is None:
        return None
    sign = -1 if column.better == "higher" else 1
    means = {
        index: sign * entry.measurement.mean
        for index, entry in enumerate(entries)
        if entry.measurement and math.isfinite(entry.measurement.mean)
    }
    if len(means) < 2:
        return None
    best, *others = sorted(means, key=lambda index: means[index])
    told = [compare(entries[best].values, entries[other].values) for other in others]
    ahead = told[0]
    if ahead is None or sign * ahead.difference >= 0:
        return None
    p = holm([each.p if each else None for each in told])[0]
    return Lead(best, others[0], ahead, p)


def ranked(heads: Sequence[Head], rows: Sequence[Row]) -> list[Row]:
    """Mark the row of each column that is significantly better than the runner-up."""
    columns = []
    for at, head in enumerate(heads):
        entries = [row.entries[at] for row in rows]
        first = lead(entries, head.column)
        winner = first.best if first and first.significant else None
        columns.append([replace(entry, best=i == winner) for i, entry in enumerate(entries)])
    return _with(rows, columns)


def against_baseline(
    definition: TableDefinition, heads: Sequence[Head], rows: Sequence[Row]
) -> list[Row]:
    """Compare every row with the baseline; correct each column's p values for being several."""
    base = next((row for row in rows if row.key == definition.baseline), None)
    if base is None:
        return list(rows)
    columns = []
    for at, head in enumerate(heads):
        entries, against = [row.entries[at] for row in rows], base.entries[at]
        others = [entry if entry is not against else None for entry in entries]
        wanted = head.column.better and head.column.difference
        told = [compare(e.values, against.values) if e and wanted else None for e in others]
        ratios = [
            ratio(entry.readings, against.readings) if entry and head.column.ratio else None
            for entry in others
        ]
        corrected = holm([each.p if each else None for each in told])
        columns.append(
            [
                replace(entry, comparison=comparison, p=p, ratio=of_it)
                for entry, comparison, p, of_it in zip(
                    entries, told, corrected, ratios, strict=True
                )
            ]
        )
    return _with(rows, columns)


def against_published(
    definition: TableDefinition, heads: Sequence[Head], rows: Sequence[Row]
) -> list[Row]:
    """Judge every measurement by the published values it has."""
    columns = [[row.entries[at] for row in rows] for at in range(len(heads))]
    places = {row.key: index for index, row in enumerate(rows)}
    columns_at = {(head.column.metric, head.pivot): at for at, head in enumerate(heads)}
    for reference in definition.references:
        at, index = columns_at[reference.column, reference.pivot], places[reference.row]
        entry = columns[at][index]
        if reference.ratio:
            verdict = judge_ratio(entry.ratio, reference)
        else:
            verdict = judge(entry.measurement, reference, heads[at].column)
        if verdict.kind == "not measured" and entry.readings:
            verdict = Verdict("not comparable", why="a run here ended before it got there")
        columns[at][index] = replace(entry, published=(*entry.published, (reference, verdict)))
    return _with(rows, columns)


def _with(rows: Sequence[Row], columns: Sequence[Sequence[Entry]]) -> list[Row]:
    """Return rows with other entries, given column by column."""
    return [
        replace(row, entries=tuple(column[index] for column in columns))
        for index, row in enumerate(rows)
    ]
