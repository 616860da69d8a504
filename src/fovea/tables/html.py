"""A table as HTML that stands alone: no script, no other file, light and dark."""

from __future__ import annotations

import html
from collections.abc import Sequence

from fovea.config.printing import printable
from fovea.tables.layout import Text, lay_out
from fovea.tables.table import Table

STYLE = """\
.fovea-table { font: 15px/1.5 system-ui, sans-serif; overflow-x: auto }
.fovea-table table { border-collapse: collapse; font-variant-numeric: tabular-nums }
.fovea-table caption { text-align: left; font-weight: 600; padding: 0 0 .6em }
.fovea-table th, .fovea-table td { padding: .3em .9em; text-align: right; vertical-align: top }
.fovea-table th { font-weight: 600 }
.fovea-table tbody th { font-weight: 400 }
.fovea-table .label { text-align: left }
.fovea-table [data-runs] { white-space: nowrap }
.fovea-table sup { line-height: 0 }
.fovea-table thead tr { border-top: 2px solid; border-bottom: 1px solid }
.fovea-table tbody { border-bottom: 2px solid }
.fovea-table .runs { text-align: left }
.fovea-table td.runs { font: 12px/1.5 ui-monospace, monospace }
.fovea-table .notes { font-size: 13px; max-width: 60em; padding-left: 1.4em }
.fovea-table a { color: inherit }
"""
_PAGE_STYLE = """\
:root { color-scheme: light dark }
body { margin: 2em auto; padding: 0 1em; max-width: max-content;
  color: light-dark(#1b1b1b, #e6e6e6); background: light-dark(#fff, #16181c) }
"""


def document(table: Table, runs: str = "../runs") -> str:
    """Return a table as a whole page.

    Args:
        runs: where the folders of runs are, relative to the page.
    """
    title = escape_html(table.title or "fovea table")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_PAGE_STYLE}{STYLE}</style>\n</head>\n"
        f"<body>\n{fragment(table, runs)}</body>\n</html>\n"
    )


def fragment(table: Table, runs: str | None = None) -> str:
    """Return a table as one ``section`` element, to be styled by ``STYLE``.

    Every measured cell names its runs (``data-runs``), and the last column lists those of the row.

    Args:
        runs: where the folders of runs are; those recorded on this machine are linked. ``None``
            links none.
    """
    layout = lay_out(table)

    def linked(run: str) -> str:
        name = escape_html(run)
        if runs is None or not table.results[run].recorded:
            return name
        return f'<a href="{escape_html(runs)}/{name}/">{name}</a>'

    heads = [_cell(text, "col", at < layout.labels) for at, text in enumerate(layout.headings)]
    lines = ['<section class="fovea-table">', "<table>"]
    if layout.title:
        lines.append(f"<caption>{escape_html(layout.title)}</caption>")
    lines += ["<thead>", f'<tr>{"".join(heads)}<th scope="col" class="runs">runs</th></tr>']
    lines += ["</thead>", "<tbody>"]
    for texts, row in zip(layout.rows, table.rows, strict=True):
        cells = [
            _cell(text, "row" if at < layout.labels else None, at < layout.labels)
            for at, text in enumerate(texts)
        ]
        links = " ".join(map(linked, row.runs))
        lines.append(f'<tr>{"".join(cells)}<td class="runs">{links}</td></tr>')
    lines += ["</tbody>", "</table>"]
    lines += _notes("ol", layout.footnotes) + _notes("ul", layout.notes)
    return "\n".join([*lines, "</section>", ""])


def escape_html(text: str) -> str:
    """Return text that HTML shows as it is."""
    return html.escape(printable(text))


def _cell(text: Text, scope: str | None, label: bool) -> str:
    shown = escape_html(text.text)
    if text.bold:
        shown = f"<strong>{shown}</strong>"
    marks = f"<sup>{', '.join(map(str, text.marks))}</sup>" if text.marks else ""
    of = f' data-runs="{escape_html(" ".join(text.runs))}"' if text.runs else ""
    kind = ' class="label"' if label else ""
    if scope is None:
        return f"<td{kind}{of}>{shown}{marks}</td>"
    return f'<th scope="{scope}"{kind}>{shown}{marks}</th>'


def _notes(kind: str, notes: Sequence[str]) -> list[str]:
    items = "".join(f"<li>{escape_html(note)}</li>" for note in notes)
    return [f'<{kind} class="notes">{items}</{kind}>'] if notes else []
