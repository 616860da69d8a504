"""A table as text: for the terminal, Markdown, CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as RichTable

from fovea.config.console import console
from fovea.records import write_atomic
from fovea.tables.table import Row, Table, shown


def print_table(table: Table) -> None:
    """Print a table to the terminal."""
    rich = RichTable(box=SIMPLE_HEAD)
    rich.add_column(table.heading, no_wrap=True)
    for column in table.columns:
        rich.add_column(escape(column.label), justify="right", no_wrap=True)
    for row in table.rows:
        rich.add_row(escape(row.label), *_texts(table, row))
    if table.title:
        console().print(escape(table.title), style="bold", soft_wrap=True)
    console().print(rich)
    for note in table.notes:
        console().print(escape(note), soft_wrap=True)


def markdown(table: Table) -> str:
    """Return a table as Markdown, with the ids of the runs behind each row."""
    heads = [table.heading, *(column.label for column in table.columns), "runs"]
    rule = ["---", *["---:"] * len(table.columns), "---"]
    lines = [_markdown_row(heads), _markdown_row(rule)]
    for row in table.rows:
        ids = " ".join(f"`{run}`" for run in row.runs)
        lines.append(_markdown_row([row.label, *_texts(table, row), ids]))
    title = [f"**{table.title}**", ""] if table.title else []
    notes = ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join([*title, *lines, *notes, ""])


def comma_separated(table: Table) -> str:
    """Return a table as CSV at full precision: mean, std and n of every column."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(
        [
            table.heading,
            *(
                f"{column.metric} {part}"
                for column in table.columns
                for part in ("mean", "std", "n")
            ),
            "runs",
        ]
    )
    for row in table.rows:
        numbers: list[float | str] = []
        for each in row.measured:
            if each is None:
                numbers += ["", "", 0]
            else:
                numbers += [each.mean, "" if each.std is None else each.std, each.n]
        writer.writerow([row.label, *numbers, " ".join(row.runs)])
    return stream.getvalue()


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write ``NAME.md`` and ``NAME.csv``; return their paths."""
    texts = {f"{name}.md": markdown(table), f"{name}.csv": comma_separated(table)}
    for file, text in texts.items():
        write_atomic(folder / file, text.encode())
    return [folder / file for file in texts]


def _texts(table: Table, row: Row) -> list[str]:
    pairs = zip(row.measured, table.columns, strict=True)
    return [shown(each, column.format) for each, column in pairs]


def _markdown_row(cells: list[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
