"""Rows compared with each other, with the baseline, and with what is published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from fovea.stats.estimates import Comparison, Ratio, compare, holm, ratio
from fovea.stats.power import ALPHA
from fovea.tables.cells import Repeat
from fovea.tables.definition import Column, TableDefinition
from fovea.tables.expressions import Reading, parse_metric
from fovea.tables.table import Entry, Head, Row
from fovea.tables.verdicts import Verdict, judge, judge_ratio

T = TypeVar("T")


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

    Args:
        entries: of every row.
        column: theirs.
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
    comparisons = [_compare(entries[best], entries[other]) for other in others]
    ahead = comparisons[0]
    if ahead is None or sign * ahead.difference >= 0:
        return None
    p = holm([each.p if each else None for each in comparisons])[0]
    return Lead(best, others[0], ahead, p)


def ranked(definition: TableDefinition, heads: Sequence[Head], rows: Sequence[Row]) -> list[Row]:
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
    """Compare every row with the baseline, the rows of a column being one family of tests.

    Its p values are Holm's; its intervals hold together (Bonferroni).
    """
    base = next((row for row in rows if row.key == definition.baseline), None)
    if base is None:
        return list(rows)
    columns = []
    for at, head in enumerate(heads):
        entries, against = [row.entries[at] for row in rows], base.entries[at]
        others = [entry if entry is not against else None for entry in entries]
        wanted = head.column.better and head.column.difference
        compared = [_compare(entry, against) if entry and wanted else None for entry in others]
        ratios = [
            _ratio(entry, against, head.column) if entry and head.column.ratio else None
            for entry in others
        ]
        p = [each.p if each else None for each in compared]
        tests = sum(each is not None for each in p)
        columns.append(
            [
                replace(
                    entry,
                    comparison=comparison.among(tests) if comparison else None,
                    p=corrected,
                    ratio=of_it,
                )
                for entry, comparison, corrected, of_it in zip(
                    entries, compared, holm(p), ratios, strict=True
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
            values = list(entry.values.values())
            verdict = judge(values, reference, heads[at].column, entry.overlap)
        if verdict.kind == "not measured" and entry.readings:
            verdict = Verdict("not comparable", why="a run here ended before it got there")
        columns[at][index] = replace(entry, published=(*entry.published, (reference, verdict)))
    return _with(rows, columns)


def _compare(own: Entry, other: Entry) -> Comparison | None:
    values = _in_order(own, own.values, other, other.values)
    return compare(*values, paired=bool(own.pairs), overlaps=(own.overlap, other.overlap))


def _ratio(own: Entry, other: Entry, column: Column) -> Ratio | None:
    cells: tuple[list[Reading], list[Reading]]
    cells = _in_order(own, own.samples, other, other.samples)
    first, second = ([each.value for each in cell] for cell in cells)
    ended = [any(each.censored for each in cell) for cell in cells]
    return ratio(
        first,
        second,
        censored=(ended[0], ended[1]),
        paired=bool(own.pairs),
        resolution=parse_metric(column.metric).resolution,
        overlaps=(own.overlap, other.overlap),
    )


def _in_order(
    own: Entry, first: Mapping[Repeat, T], other: Entry, second: Mapping[Repeat, T]
) -> tuple[list[T], list[T]]:
    """Return what two cells have; of paired runs, the pairs of which both have one, in order."""
    if not (own.pairs or other.pairs):
        return list(first.values()), list(second.values())
    of_own = {own.pairs.get(repeat): each for repeat, each in first.items()}
    of_other = {other.pairs.get(repeat): each for repeat, each in second.items()}
    shared = [pair for pair in of_own if pair is not None and pair in of_other]
    return [of_own[pair] for pair in shared], [of_other[pair] for pair in shared]


def _with(rows: Sequence[Row], columns: Sequence[Sequence[Entry]]) -> list[Row]:
    """Return rows with other entries, given column by column."""
    return [
        replace(row, entries=tuple(column[index] for column in columns))
        for index, row in enumerate(rows)
    ]
