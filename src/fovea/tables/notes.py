"""What a table must say beside its numbers: how they came about, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from fovea.stats.estimates import Comparison
from fovea.stats.power import ALPHA, POWER, RUNS_CAP
from fovea.tables.cells import Cell
from fovea.tables.contrast import lead
from fovea.tables.definition import TableDefinition
from fovea.tables.expressions import parse_metric
from fovea.tables.shown import shown_difference, shown_p
from fovea.tables.table import Entry, Head, Mark, Row
from fovea.tables.verdicts import VerdictKind

_COUNTED = 20  # more seeds than these are not written out in a command
_SHARE = "10 % of the published error rate (at least 0.1, at most 1 point)"
_MIXED = {  # provenance that changes numbers a little, and what a cell of several says
    "precision": "in different precisions",
    "hardware_class": "on hardware of different classes",
}
_VERDICTS: dict[VerdictKind | str, str] = {
    "reproduced": "reproduced: the 90 % interval of d lies within ±m (equivalence at 5 %; never "
    "at n = 2)",
    "beyond": "better, short, differs: one further run of the spread measured here would lie "
    "beyond ±m (95 % prediction interval)",
    "consistent": "consistent: 0 lies in the 95 % interval of d, which is too wide to call them "
    "equal; the n given, if any, would show it with power 0.8, if d and the spread are as measured",
    "near, not equal": "near, not equal: 0 lies outside the 95 % interval of d, and a further run "
    "could still be within ±m",
    "one run": "one run: no verdict",
    "bound": "of a bound: met or missed by its one-sided 95 % interval, else undecided",
    "no verdict": "of a best of several runs only the difference is known",
}


def footnotes(
    definition: TableDefinition, heads: Sequence[Head], rows: Sequence[Row]
) -> Iterator[Mark]:
    """Yield the author's footnotes, and what computed columns count."""
    for index, head in enumerate(heads):
        if note := parse_metric(head.column.metric).note:
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
    command: str = "",
) -> Iterator[str]:
    """Yield what is said below the table, as lines.

    Args:
        definition: the table's.
        heads: its columns.
        rows: with all that was compared.
        members: every cell shown, with the label of its row.
        command: as of :func:`fovea.tables.build.build_table`.
    """
    yield from _of_runs(members)
    yield from _missing(members)
    if definition.seeds is not None:
        yield f"only seeds {', '.join(map(str, definition.seeds))}"
    entries = [entry for row in rows for entry in row.entries]
    dealt = [cell for _, cell in members if cell.folds]
    if any(entry.measurement and entry.measurement.std for entry in entries):
        over = "seeds" if not dealt else "folds" if len(dealt) == len(members) else "seeds or folds"
        yield f"± is the sample standard deviation over n {over}{_brackets(heads, rows)}"
    tests = "Welch's t tests"
    if dealt:
        yield _of_folds(dealt)
        tests = "t tests paired by fold" if len(dealt) == len(members) else f"{tests}, or of folds"
    elif definition.pair is not None:
        tests = f"t tests paired by {definition.pair}"
    if any(entry.best for entry in entries):
        yield (
            f"bold: better than the runner-up at p < {ALPHA} "
            f"({tests} of the best with every other row, Holm-corrected)"
        )
    yield from _contrasts(entries, tests)
    yield from _more_seeds(definition, heads, rows, [cell for _, cell in members], command)
    yield from _rule(heads, rows)


def _brackets(heads: Sequence[Head], rows: Sequence[Row]) -> str:
    """Return what the intervals of means are."""
    columns = [head.column for head in heads]
    shown = {at for at, column in enumerate(columns) if column.interval}
    if not shown:
        return ""
    text = "; brackets are 95 % t intervals of the mean"
    if any(columns[at].format == "percent" for at in shown):
        text += ", clipped to [0, 100] %"
    stepped = [at for at in shown if parse_metric(columns[at].metric).resolution]
    measured = [row.entries[at].measurement for row in rows for at in stepped]
    if any(each and each.std == 0 for each in measured):
        text += "; of equal whole epochs, those of a spread of 0.29, which is rounding's"
    return text


def _of_folds(cells: Sequence[Cell]) -> str:
    """Return how folds are reckoned with."""
    counts = " or ".join(map(str, sorted({cell.folds for cell in cells})))
    seeds = max(len({repeat.seed for repeat in cell.results}) for cell in cells)
    averaged = f"; of each, the mean over {seeds} seeds" if seeds > 1 else ""
    return (
        f"n counts folds, of {counts}{averaged}. Their training parts overlap: intervals and tests "
        "are those of the corrected resampled t (Nadeau and Bengio 2003)"
    )


def _of_runs(members: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    """Yield the runs' own notes with the rows they concern."""
    noted: dict[str, list[str]] = {}
    for label, cell in members:
        results = cell.results.values()
        own = [note for result in results for note in (*result.outdated, *result.notes)]
        if len({result.provenance.get("data") for result in results}) > 1:
            own.append("its runs did not all see the same data (fingerprints differ)")
        for key, how in _MIXED.items():
            found = sorted({each.provenance.get(key, "") for each in results} - {""})
            if len(found) > 1:
                own.append(f"its runs were trained {how} ({', '.join(found)})")
        for note in dict.fromkeys(own):
            noted.setdefault(note, []).append(label)
    for note, labels in noted.items():
        yield f"{', '.join(dict.fromkeys(labels))}: {note}"


def _missing(members: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    """Yield which cells lack some of their seeds; those that lack all are printed as not run."""
    missing = [
        f"{label} {len(cell.runs) - len(cell.results)} of {len(cell.runs)}"
        for label, cell in members
        if 0 < len(cell.results) < len(cell.runs)
    ]
    if missing:
        yield f"seeds not run: {', '.join(missing)}"


def _contrasts(entries: Sequence[Entry], tests: str) -> Iterator[str]:
    """Yield how rows were compared with the baseline."""
    compared = [entry.comparison for entry in entries if entry.comparison is not None]
    tested = [each for each in compared if each.p is not None]
    if tested:
        how = f"p by {tests}, Holm-corrected over the rows of a column"
        if any(each.low is None for each in tested):
            how += (
                "; without an interval there is no spread either way, and p is the exact "
                "permutation test's"
            )
        together = "95 % t intervals"
        if any(each.confidence > 1 - ALPHA for each in tested):
            together += " that hold together over the rows of a column (Bonferroni)"
        yield f"differences to the baseline: {together}; {how}"
    elif compared:
        yield "differences to the baseline: of means; untested (n = 1)"
    ratios = [entry.ratio for entry in entries if entry.ratio]
    if ratios:
        alone = ", each for itself" if len(ratios) > 1 else ""
        yield (
            "ratios: of geometric means, with 95 % t intervals of their logarithms (Welch's, never "
            f"narrower than that of one cell alone){alone}"
        )


def _more_seeds(
    definition: TableDefinition,
    heads: Sequence[Head],
    rows: Sequence[Row],
    cells: Sequence[Cell],
    command: str,
) -> Iterator[str]:
    """Yield how many seeds would show what is not significant, and the command that adds them.

    Of each column: the runner-up, and the rows compared with the baseline.
    """
    base = next((at for at, row in enumerate(rows) if row.key == definition.baseline), None)
    wanted: dict[int, list[str]] = {}

    def want(label: str, comparison: Comparison, p: float | None) -> None:
        needed = comparison.needed
        if p is not None and p >= ALPHA and needed is not None and needed > comparison.n:
            wanted.setdefault(needed, []).append(label)

    for at, head in enumerate(heads):
        entries = [row.entries[at] for row in rows]
        first = lead(entries, head.column)
        pair = {first.best, first.second} if first else set()
        if first:
            names = f"{rows[first.best].label} versus {rows[first.second].label}"
            apart = shown_difference(abs(first.comparison.difference), head.column)
            label = f"{head.label}, {names} ({apart}, {shown_p(first.p)})"
            want(label, first.comparison, first.p)
        for index, entry in enumerate(entries):
            if entry.comparison and base is not None and {index, base} != pair:
                label = f"{head.label}, {rows[index].label} versus {rows[base].label}"
                want(label, entry.comparison, entry.p)
    if not wanted:
        return
    texts = []
    for needed, labels in sorted(wanted.items()):
        count = f"n > {RUNS_CAP:,}" if needed > RUNS_CAP else f"n = {needed}"
        add = "" if texts else _adding(needed, cells, command)
        texts.append(f"{count}{add}: {'; '.join(labels)}")
    yield (
        f"seeds in all that would show a difference of the size seen (power {POWER}, p < {ALPHA}, "
        f"uncorrected): {'. '.join(texts)}"
    )


def _adding(needed: int, cells: Sequence[Cell], command: str) -> str:
    """Return how to train so many seeds of each cell: those planned, and the next ones."""
    if needed > _COUNTED:
        return ""
    seeds = sorted({repeat.seed for cell in cells for repeat in cell.runs})
    further = (seed for seed in range(needed + len(seeds)) if seed not in seeds)
    seeds += islice(further, max(needed - len(seeds), 0))
    listed = f"seed={','.join(map(str, seeds))}"
    return f" ({command} {listed}; list them in sweep.yaml too)" if command else f" ({listed})"


def _rule(heads: Sequence[Head], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the rule of the verdicts that there are."""
    published = [
        (head.column, reference, verdict)
        for row in rows
        for head, entry in zip(heads, row.entries, strict=True)
        for reference, verdict in entry.published
    ]
    kinds, margins = set(), set()
    for column, reference, verdict in published:
        beyond = verdict.kind in ("better", "short", "differs")
        if (beyond or verdict.kind == "reproduced") and verdict.low is None and not verdict.why:
            continue  # of a count, which is equal or not
        kinds.add("bound" if reference.bound else "beyond" if beyond else verdict.kind)
        if reference.margin is None and verdict.margin is not None:
            share = column.format == "percent" and not reference.ratio
            margins.add(_SHARE if share else "5 %")
    clauses = [text for kind, text in _VERDICTS.items() if kind in kinds]
    if not clauses:
        return
    d = "d is measured less published"
    if any(reference.ratio for _, reference, _ in published):
        d += " (of ratios, in logarithms)"
    if kinds & {"reproduced", "beyond", "consistent", "near, not equal"}:
        unless = f", {' or '.join(sorted(margins))} unless stated" if margins else ""
        d += f", m the margin{unless}"
    yield f"verdicts: {d}. {'. '.join(text[0].upper() + text[1:] for text in clauses)}"
