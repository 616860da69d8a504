"""From a definition and the results of every cell to a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from fovea.config.errors import ConfigError, did_you_mean
from fovea.records.quantities import main_quantity, of_record, quantity_of
from fovea.stats.estimates import measure
from fovea.tables.cells import Cell, Choice, choose
from fovea.tables.contrast import against_baseline, against_published, ranked
from fovea.tables.definition import Column, TableDefinition
from fovea.tables.expressions import parse_metric
from fovea.tables.notes import footnotes, notes
from fovea.tables.table import Entry, Head, Mark, Row, Table


def build_table(definition: TableDefinition, cells: Sequence[Cell], command: str = "") -> Table:
    """Build a table.

    Args:
        definition: what it shows.
        cells: every planned cell, in order; their values hold all of the definition's keys.
        command: what trains them; to add seeds, they are appended to it.

    Raises:
        ConfigError: the definition does not fit the cells: cells of a row are not told apart, a
            named row is not there, no run recorded a metric, or the key of ``pair`` pairs nothing.
    """
    cells = [_of_seeds(cell, definition.seeds) for cell in cells]
    definition = _of_recorded(definition, cells)
    pivots = _pivots(definition, cells)
    heads = tuple(
        Head(column, _heading(definition, column, pivot), pivot)
        for pivot in pivots
        for column in definition.columns
    )
    grouped: dict[tuple[str, ...], dict[str | None, list[Cell]]] = {}
    for cell in cells:
        of_row = grouped.setdefault(_row_key(definition, cell), {})
        of_row.setdefault(_pivot_value(definition, cell), []).append(cell)
    _check_rows(definition, list(grouped), pivots)
    if definition.pair is not None:
        _check_pairs(definition.pair, cells)

    rows, marks, shown = [], [], []
    for index, (key, by_pivot) in enumerate(grouped.items()):
        labels = tuple(_label(definition, value) for value in key)
        choices = {pivot: _only(definition, key, of_it) for pivot, of_it in by_pivot.items()}
        for pivot, choice in choices.items():
            of_pivot = [] if pivot is None else [_label(definition, pivot)]
            shown.append((" ".join([*labels, *of_pivot]), choice.cell))
            marks += [Mark(": ".join([*of_pivot, note]), row=index) for note in choice.notes]
        entries = tuple(
            _entry(choices[head.pivot].cell if head.pivot in choices else None, head.column)
            for head in heads
        )
        chosen = ", ".join(dict.fromkeys(choice.value or "–" for choice in choices.values()))
        rows.append(Row(key, labels, chosen if definition.choose else "", entries))

    rows = ranked(definition, heads, against_baseline(definition, heads, rows))
    rows = against_published(definition, heads, rows)
    rule = definition.choose
    return Table(
        title=definition.title,
        headings=definition.rows.label or definition.rows.key or ("cell",),
        columns=heads,
        rows=tuple(rows),
        choice=(rule.label or rule.key) if rule else None,
        baseline=next((row.label for row in rows if row.key == definition.baseline), None),
        marks=(*marks, *footnotes(definition, heads, rows)),
        notes=tuple(notes(definition, heads, rows, shown, command)),
        results={result.id: result for _, cell in shown for result in cell.results.values()},
    )


def _of_seeds(cell: Cell, seeds: Sequence[int] | None) -> Cell:
    if seeds is None:
        return cell
    return replace(
        cell,
        runs={repeat: run for repeat, run in cell.runs.items() if repeat.seed in seeds},
        results={repeat: each for repeat, each in cell.results.items() if repeat.seed in seeds},
        pairs={repeat: value for repeat, value in cell.pairs.items() if repeat.seed in seeds},
    )


def _of_recorded(definition: TableDefinition, cells: Sequence[Cell]) -> TableDefinition:
    """Refuse a metric that no run recorded, once all are there to tell; leave out a default one.

    Published results may be older than a probe: what they lack is printed as not measured.

    Raises:
        ConfigError: there is such a metric.
    """
    known = sorted(
        {name for cell in cells for each in cell.results.values() for name in each.values}
    )
    if "columns" not in definition.model_fields_set:
        return definition.model_copy(update={"columns": _columns(definition, cells, known)})
    if not known:
        return definition
    here = any(result.recorded for cell in cells for result in cell.results.values())
    if here and all(len(cell.results) == len(cell.runs) for cell in cells):
        for metric in definition.metrics:
            if metric not in known:
                near = did_you_mean(metric, known)
                raise ConfigError(f"table.yaml: no run recorded '{metric}'{near}")
    return definition


def _columns(
    definition: TableDefinition, cells: Sequence[Cell], known: Sequence[str]
) -> list[Column]:
    """Return the columns of a table that names none: the main metric, those referred to, costs."""
    quantities = of_record({})
    for cell in cells:
        for result in cell.results.values():
            quantities |= result.quantities
    referred = [each.column for each in definition.references]
    metrics = [f"test/{main_quantity([*known, *referred], quantities)}", *referred]
    found = []
    for metric in dict.fromkeys(metrics):
        part, _, name = metric.rpartition("/")
        each = quantity_of(metric, quantities)
        label = f"{part} {each.label or name}".strip()
        found.append(Column(metric=metric, label=label, format=each.format, better=each.better))
    columns = [*found, *definition.columns]
    return [each for each in columns if each.metric in {*known, *referred}] or columns


def _pivots(definition: TableDefinition, cells: Sequence[Cell]) -> list[str | None]:
    return list(dict.fromkeys(_pivot_value(definition, cell) for cell in cells))


def _pivot_value(definition: TableDefinition, cell: Cell) -> str | None:
    return cell.values[definition.pivot.key] if definition.pivot else None


def _row_key(definition: TableDefinition, cell: Cell) -> tuple[str, ...]:
    if definition.rows.key is not None:
        return tuple(cell.values[key] for key in definition.rows.key)
    own = {part.key for part in (definition.pivot, definition.choose) if part}
    told = [f"{key}={value}" for key, value in cell.values.items() if key not in own]
    return (" ".join(told),)


def _label(definition: TableDefinition, value: str) -> str:
    pivot = definition.pivot.labels if definition.pivot else {}
    return (definition.rows.labels | pivot).get(value, value)


def _heading(definition: TableDefinition, column: Column, pivot: str | None) -> str:
    if pivot is None:
        return column.label
    alone = len(definition.columns) == 1
    return _label(definition, pivot) if alone else f"{_label(definition, pivot)}: {column.label}"


def _check_rows(
    definition: TableDefinition, rows: Sequence[tuple[str, ...]], pivots: Sequence[str | None]
) -> None:
    named = [("baseline", definition.baseline)]
    named += [(f"references.{i}", each.row) for i, each in enumerate(definition.references)]
    named += [(f"footnotes.{i}", each.row) for i, each in enumerate(definition.footnotes)]
    known = [" ".join(row) for row in rows]
    for where, row in named:
        if row is not None and row not in rows:
            name = " ".join(row)
            near = did_you_mean(name, known) or f" (known: {', '.join(known)})"
            raise ConfigError(f"table.yaml: {where}: no row '{name}'{near}")
    for index, each in enumerate(definition.references):
        if definition.pivot and each.pivot not in pivots:
            told = ", ".join(map(str, pivots))
            raise ConfigError(
                f"table.yaml: references.{index}.pivot: no column '{each.pivot}' (known: {told})"
            )


def _check_pairs(key: str, cells: Sequence[Cell]) -> None:
    """Refuse a key that does not pair the planned runs.

    Raises:
        ConfigError: two runs of a cell have the same value of it, or no two cells share two values.
    """
    for cell in cells:
        values = [] if cell.folds else list(cell.pairs.values())  # seeds repeat a fold
        if twice := next((each for each in values if values.count(each) > 1), None):
            name = " ".join(cell.values.values())
            raise ConfigError(
                f"table.yaml: pair: {values.count(twice)} runs of '{name}' have {key} = {twice}; "
                "a key that pairs has another value in each run of a row"
            )
    shared = (
        len(set(one.pairs.values()) & set(other.pairs.values()))
        for one, other in combinations(cells, 2)
    )
    if len(cells) > 1 and max(shared) < 2:
        raise ConfigError(
            f"table.yaml: pair: no two rows share two values of {key}; leave it out, "
            "and runs are compared as independent ones"
        )


def _only(definition: TableDefinition, key: tuple[str, ...], members: list[Cell]) -> Choice:
    """Return the cell of a row: the one there is, or the best.

    Raises:
        ConfigError: there are several that the definition does not tell apart.
    """
    rule = definition.choose
    if rule is None and len(members) == 1:
        return Choice(members[0], "")
    values = [cell.values[rule.key] for cell in members] if rule else []
    if rule is None or len(set(values)) < len(members):
        raise ConfigError(
            f"table.yaml: rows.key: '{' '.join(key)}' is {len(members)} cells, which "
            f"{', '.join(definition.keys)} does not tell apart; add the key that does"
        )
    return choose(members, rule)


def _entry(cell: Cell | None, column: Column) -> Entry:
    if cell is None:
        return Entry({}, (), {})
    runs = tuple(cell.results[repeat].id for repeat in sorted(cell.results))
    entry = Entry(cell.readings(column.metric), runs, cell.values, cell.pairs, cell.folds)
    measured = measure(
        list(entry.values.values()),
        share=column.format == "percent",
        resolution=parse_metric(column.metric).resolution,
        overlap=entry.overlap,
    )
    return replace(entry, measurement=measured)
