"""A table as Markdown (GitHub's)."""

from __future__ import annotations

import re

from fovea.config.printing import printable
from fovea.tables.layout import Text, lay_out
from fovea.tables.table import Table


def markdown(table: Table) -> str:
    """Return a table as Markdown, with the ids of the runs behind each row."""
    layout = lay_out(table)
    rule = ["---" if at < layout.labels else "---:" for at in range(len(layout.headings))]
    lines = [
        _row([*map(_text, layout.headings), "runs"]),
        _row([*rule, "---"]),
        *(
            _row([*map(_text, texts), " ".join(f"`{run}`" for run in row.runs)])
            for texts, row in zip(layout.rows, table.rows, strict=True)
        ),
    ]
    title = [f"**{escape_markdown(layout.title)}**", ""] if layout.title else []
    numbered = [
        f"<sup>{number}</sup> {escape_markdown(note)}"
        for number, note in enumerate(layout.footnotes, 1)
    ]
    notes = [f"- {note}" for note in [*numbered, *map(escape_markdown, layout.notes)]]
    return "\n".join([*title, *lines, *([""] if notes else []), *notes, ""])


def escape_markdown(text: str) -> str:
    """Return text so that Markdown shows it as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>&|~$#])", r"\\\1", printable(" ".join(text.split())))


def _text(text: Text) -> str:
    shown = escape_markdown(text.text)
    marks = f"<sup>{', '.join(map(str, text.marks))}</sup>" if text.marks else ""
    return f"**{shown}**{marks}" if text.bold else shown + marks


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
