"""The paper tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import escape

from fovea.config.paths import experiment
from fovea.sweep.plan import PlannedRun
from fovea.tables.definition import TableDefinition, load_definition
from fovea.tables.table import Cell, Table, build_table, shown


def fragments(plans: Mapping[str, Sequence[PlannedRun]]) -> dict[str, str]:
    """Return the table of every experiment as HTML."""
    return {name: _fragment(_table(name, plan)) for name, plan in plans.items()}


def _table(name: str, plan: Sequence[PlannedRun]) -> Table:
    folder = experiment(name)
    definition = load_definition(folder / "table.yaml") if folder else TableDefinition()
    cells: dict[tuple[str, ...], list[PlannedRun]] = {}
    for run in plan:
        cells.setdefault(run.cell, []).append(run)
    key = definition.rows.key
    return build_table(
        definition,
        [
            Cell(
                {key: members[0].value(key)} if key else {"cell": " ".join(cell)},
                [run.folder for run in members],
            )
            for cell, members in cells.items()
        ],
    )


def _fragment(table: Table) -> str:
    lines = [[table.heading, *(column.label for column in table.columns)]]
    for row in table.rows:
        pairs = zip(row.measured, table.columns, strict=True)
        lines.append([row.label, *(shown(each, column.format) for each, column in pairs)])
    rows = [
        "".join(f"<{tag}>{escape(text)}</{tag}>" for text in line)
        for tag, line in zip(["th", *["td"] * len(table.rows)], lines, strict=True)
    ]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    body = "".join(f"<tr>{row}</tr>" for row in rows[1:])
    return (
        f"<p>{escape(table.title)}</p>"
        f"<table><thead><tr>{rows[0]}</tr></thead><tbody>{body}</tbody></table>{notes}"
    )
