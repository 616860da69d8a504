"""The files of a table."""

from __future__ import annotations

from pathlib import Path

from fovea.records import write_atomic
from fovea.tables.html import document
from fovea.tables.latex import latex
from fovea.tables.markdown import markdown
from fovea.tables.numbers import as_json, comma_separated
from fovea.tables.table import Table


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write ``NAME.md``, ``.tex``, ``.html``, ``.csv``, ``.json`` and the figure; return the paths.

    The folder stands beside that of the runs, to which the page links.
    """
    from fovea.tables.figure import figures  # Matplotlib takes a second

    texts = {
        "md": markdown(table),
        "tex": latex(table),
        "html": document(table),
        "csv": comma_separated(table),
        "json": as_json(table),
    }
    contents = {kind: text.encode() for kind, text in texts.items()} | figures(table)
    for kind, content in contents.items():
        write_atomic(folder / f"{name}.{kind}", content)
    return [folder / f"{name}.{kind}" for kind in contents]
