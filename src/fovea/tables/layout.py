"""A table laid out: the texts of its columns and rows, and its footnotes numbered.

Every format renders this; none decides what is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from fovea.tables.definition import Column
from fovea.tables.references import EVIDENCE, Reference
from fovea.tables.shown import (
    shown_comparison,
    shown_entry,
    shown_margin,
    shown_ratio,
    shown_reference,
    shown_verdict,
)
from fovea.tables.table import Entry, Table


@dataclass(frozen=True)
class Text:
    """What stands in one place.

    Args:
        text: unescaped.
        bold: it is the best of its column.
        marks: the numbers of its footnotes, from 1.
        runs: the ids of the runs it comes from.
    """

    text: str
    bold: bool = False
    marks: tuple[int, ...] = ()
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Headings and rows of texts; the first ``labels`` columns tell the rows apart.

    Args:
        footnotes: numbered from 1.
        notes: those without a number.
    """

    title: str
    labels: int
    headings: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]


def lay_out(table: Table) -> Layout:
    """Lay a table out: a column per measured quantity, and beside it what it is compared with."""
    footnotes: list[str] = []

    def marks(row: int | None, column: int | None) -> tuple[int, ...]:
        return tuple(
            _number(footnotes, mark.text)
            for mark in table.marks
            if (mark.row, mark.column) == (row, column)
        )

    headings = [Text(heading) for heading in table.headings]
    if table.choice:
        headings.append(Text(table.choice))
    labels = len(headings)
    wanted = [_wanted(table, at) for at in range(len(table.columns))]
    for at, (head, kinds) in enumerate(zip(table.columns, wanted, strict=True)):
        headings.append(Text(head.label, marks=marks(None, at)))
        beside = {
            "difference": f"{head.label}: difference to {table.baseline}",
            "ratio": f"{head.label}: ratio to {table.baseline}",
            "published": f"{head.label}: published",
            "verdict": f"{head.label}: verdict",
        }
        headings += [Text(beside[kind]) for kind in kinds]

    rows = []
    for index, row in enumerate(table.rows):
        *first, last = row.labels
        texts = [*map(Text, first), Text(last, marks=marks(index, None))]
        if table.choice:
            texts.append(Text(row.chosen))
        for at, (head, entry) in enumerate(zip(table.columns, row.entries, strict=True)):
            text = shown_entry(entry, head.column)
            texts.append(Text(text, entry.best, marks(index, at), entry.runs))
            texts += [_beside(kind, entry, head.column, footnotes) for kind in wanted[at]]
        rows.append(tuple(texts))
    unplaced = [mark.text for mark in table.marks if mark.row is None and mark.column is None]
    return Layout(
        table.title,
        labels,
        tuple(headings),
        tuple(rows),
        tuple(footnotes),
        (*unplaced, *table.notes),
    )


def _wanted(table: Table, at: int) -> list[str]:
    """Return what stands beside a measured column: only what some row has."""
    entries = [row.entries[at] for row in table.rows]
    wanted = {
        "difference": any(entry.comparison for entry in entries),
        "ratio": any(entry.ratio for entry in entries),
        "published": any(entry.published for entry in entries),
        "verdict": any(entry.published for entry in entries),
    }
    return [kind for kind, is_wanted in wanted.items() if is_wanted]


def _beside(kind: str, entry: Entry, column: Column, footnotes: list[str]) -> Text:
    if kind == "difference":
        return Text(shown_comparison(entry, column))
    if kind == "ratio":
        return Text(shown_ratio(entry.ratio))
    if not entry.published:
        return Text("")
    if kind == "published":
        values = "; ".join(shown_reference(each, column) for each, _ in entry.published)
        numbers = tuple(_number(footnotes, _source(each, column)) for each, _ in entry.published)
        return Text(values, marks=numbers)
    return Text(
        "; ".join(shown_verdict(verdict, each, column) for each, verdict in entry.published)
    )


def _source(reference: Reference, column: Column) -> str:
    code = reference.evidence
    parts = [f"{reference.source} [{code}: {EVIDENCE[code]}]"]
    if margin := reference.margin:
        shown = shown_margin(margin.value, reference, column)
        parts.append(f"margin {shown}: {margin.reason}")
    if reference.differs:
        parts.append(f"deviation: {'; '.join(reference.differs)}")
    return "; ".join(parts)


def _number(footnotes: list[str], text: str) -> int:
    """Return the number of a footnote; the same text has one number."""
    if text not in footnotes:
        footnotes.append(text)
    return footnotes.index(text) + 1
