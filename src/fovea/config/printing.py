"""How text that comes from files is shown: as text.

Names of runs, classes and files are other people's. A terminal obeys the control characters in what
it shows, and a spreadsheet the formulas in what it opens.
"""

from __future__ import annotations

import csv
import io
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, delete, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line ends, and what turns text round
    "\ufeff\ud800-\udfff]"  # a mark nobody sees; bytes of a file name that are no text
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def printable(text: str) -> str:
    """Return text that no terminal obeys: control characters as Python escapes them.

    Line feeds and tabs stay.
    """
    return _CONTROL.sub(_escaped, text)


def spreadsheet_cell(value: Any) -> Any:
    """Return what a spreadsheet shows as it is: a formula gets an apostrophe before it.

    Numbers stay, as text too.
    """
    if not isinstance(value, str):
        return value
    return without_formula(printable(value))


def without_formula(text: str) -> str:
    """Return text with an apostrophe before it where a spreadsheet would compute it.

    Text that begins with an apostrophe gets another one, so that this can be undone.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV that a spreadsheet shows as it is."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    for row in (columns, *rows):
        writer.writerow(map(spreadsheet_cell, row))
    return stream.getvalue()


def say(text: object, *, stderr: bool = False) -> None:
    """Print a text, and a line feed after it."""
    print(printable(str(text)), file=sys.stderr if stderr else sys.stdout, flush=True)


def replace_what_cannot_be_encoded() -> None:
    """Let standard output show a ``?`` for what its encoding lacks, where it would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


class PrintableFormatter(logging.Formatter):
    """Formats log records of which no terminal obeys a character."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _escaped(character: re.Match[str]) -> str:
    return character.group().encode("unicode_escape").decode("ascii")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
