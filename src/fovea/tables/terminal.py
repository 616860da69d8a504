"""A table in the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as RichTable

from fovea.config.console import console
from fovea.tables.layout import Text, lay_out
from fovea.tables.table import Table

_RAISED = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹˒")


def print_table(table: Table) -> None:
    """Print a table."""
    layout = lay_out(table)
    rich = RichTable(box=SIMPLE_HEAD)
    for index, heading in enumerate(layout.headings):
        rich.add_column(_marked(heading), justify="left" if index < layout.labels else "right")
    for row in layout.rows:
        rich.add_row(*map(_marked, row))
    if layout.title:
        console().print(escape(layout.title), style="bold", soft_wrap=True)
    console().print(rich)
    for number, note in enumerate(layout.footnotes, 1):
        console().print(f"{_raised(number)} {escape(note)}", soft_wrap=True)
    for note in layout.notes:
        console().print(escape(note), soft_wrap=True)


def _marked(text: Text) -> str:
    marks = ",".join(map(str, text.marks)).translate(_RAISED)
    shown = escape(text.text)
    return f"[bold]{shown}[/bold]{marks}" if text.bold else shown + marks


def _raised(number: int) -> str:
    return str(number).translate(_RAISED)
