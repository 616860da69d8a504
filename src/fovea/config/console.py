"""Where the commands print tables: as wide as the terminal, and wide enough for one elsewhere."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from fovea.config.printing import printable

_WIDTH = 160  # of a pipe or a file, which have none of their own


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error."""
    terminal = _PrintableConsole(stderr=stderr, emoji=False)
    if terminal.is_terminal:
        return terminal
    return _PrintableConsole(stderr=stderr, emoji=False, width=_WIDTH)


class _PrintableConsole(Console):
    """Shows every text it is given, cells of tables too, as :func:`printable` returns it."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)
