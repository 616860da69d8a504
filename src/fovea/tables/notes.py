"""What a table must say beside its numbers: how they came about, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fovea.tables.cells import Cell
from fovea.tables.contrast import lead
from fovea.tables.definition import TableDefinition
from fovea.tables.expressions import parse
from fovea.tables.shown import shown_difference, shown_p
from fovea.tables.statistics import ALPHA, POWER, SEEDS_CAP, Comparison
from fovea.tables.table import Head, Mark, Row
from fovea.tables.verdicts import RULE


def footnotes(
    definition: TableDefinition, heads: Sequence[Head], rows: Sequence[Row]
) -> Iterator[Mark]:
    """Yield the author's footnotes, and what computed columns count."""
    for index, head in enumerate(heads):
        if note := parse(head.column.metric).note:
            yield Mark(note, column=index)
    places = {row.key: index for index, row in enumerate(rows)}
    for each in definition.footnotes:
        row = None if each.row is None else places[each.row]
        columns = [i for i, head in enumerate(heads) if head.column.metric == each.column]
        for column in columns or [None]:
            yield Mark(each.text, row, column)


def notes(
    definition: TableDefinition,
    heads: Sequence[Head],
    rows: Sequence[Row],
    members: Sequence[tuple[str, Cell]],
) -> Iterator[str]:
    """Yield what is said below the table, as lines.

    Args:
        members: every cell shown, with the label of its row.
    """
    yield from _of_runs(members)
    yield from _missing(members)
    if definition.seeds is not None:
        yield f"only seeds {', '.join(map(str, definition.seeds))}"
    entries = [entry for row in rows for entry in row.entries]
    if any(entry.measurement and entry.measurement.std for entry in entries):
        intervals = {head.column.format for head in heads if head.column.interval}
        brackets = "; brackets are 95 % t intervals of the mean" if intervals else ""
        brackets += ", cut off at 0 and 100 %" if "percent" in intervals else ""
        yield f"± is the sample standard deviation over n seeds{brackets}"
    if any(entry.best for entry in entries):
        yield (
            f"bold: better than the runner-up at p < {ALPHA} "
            "(t tests of the best with every other row, paired by shared seeds, Holm-corrected)"
        )
    yield from _contrasts(rows)
    yield from _wanted_seeds(definition, heads, rows)
    if any(entry.published for entry in entries):
        yield RULE


def _of_runs(members: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    """Yield the runs' own notes with the rows they concern."""
    noted: dict[str, list[str]] = {}
    for label, cell in members:
        results = cell.results.values()
        own = [note for result in results for note in result.notes]
        if len({result.provenance.get("data") for result in results}) > 1:
            own.append("its runs did not all see the same data (fingerprints differ)")
        for note in dict.fromkeys(own):
            noted.setdefault(note, []).append(label)
    for note, labels in noted.items():
        yield f"{', '.join(dict.fromkeys(labels))}: {note}"


def _missing(members: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    """Yield what cells lack some of their seeds; those that lack all say so themselves."""
    told = [
        f"{label} {len(cell.runs) - len(cell.results)} of {len(cell.runs)}"
        for label, cell in members
        if 0 < len(cell.results) < len(cell.runs)
    ]
    if told:
        yield f"seeds not run: {', '.join(told)}"


def _contrasts(rows: Sequence[Row]) -> Iterator[str]:
    """Yield how rows were compared."""
    compared = [
        (entry.comparison, entry.p)
        for row in rows
        for entry in row.entries
        if entry.comparison is not None
    ]
    kinds = {each.paired for each, _ in compared if each.p is not None}
    if kinds:
        how = {
            frozenset({True}): "paired by seed",
            frozenset({False}): "of independent runs (Welch)",
        }.get(frozenset(kinds), "paired by seed where two are shared, else Welch's")
        yield (
            "differences to the baseline: 95 % t intervals, "
            f"{how}; p by t tests, Holm-corrected over the rows of a column"
        )
    elif compared:
        yield "differences to the baseline: of means; none is tested, for want of a spread"
    if any(entry.ratio for row in rows for entry in row.entries):
        yield "ratios: of geometric means, with 95 % t intervals of their logarithms"


def _wanted_seeds(
    definition: TableDefinition, heads: Sequence[Head], rows: Sequence[Row]
) -> Iterator[str]:
    """Yield the seeds that would tell the best row from the next, and others from the baseline."""
    base = next((i for i, row in enumerate(rows) if row.key == definition.baseline), None)
    for at, head in enumerate(heads):
        entries = [row.entries[at] for row in rows]
        first = lead(entries, head.column)
        pair = {first.best, first.second} if first else set()
        wanted = []
        if first and not first.significant and (more := _more(first.comparison)):
            names = f"{rows[first.best].label} and {rows[first.second].label}"
            apart = shown_difference(abs(first.comparison.difference), head.column)
            wanted.append(f"{names} ({apart}, {shown_p(first.p)}) {more}")
        for index, entry in enumerate(entries):
            p, comparison = entry.p, entry.comparison
            told = p is not None and p >= ALPHA and {index, base} != pair
            if told and comparison and base is not None and (more := _more(comparison)):
                wanted.append(f"{rows[index].label} and {rows[base].label} {more}")
        if wanted:
            yield (
                f"{head.label}, more seeds to tell apart differences of the size seen "
                f"(power {POWER}, p < {ALPHA}, uncorrected): {'; '.join(wanted)}"
            )


def _more(comparison: Comparison) -> str:
    """Return how many seeds more would show a difference; '' where that cannot be said."""
    if comparison.needed is None or comparison.needed <= comparison.n:
        return ""
    beyond = comparison.needed > SEEDS_CAP
    count = f"over {SEEDS_CAP}" if beyond else str(comparison.needed - comparison.n)
    return f"{count}, {'paired' if comparison.paired else 'of each'}"
