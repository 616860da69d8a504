"""Where the commands print: as wide as the terminal, and wide enough for a table elsewhere."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 160  # of a pipe or a file, which have none of their own


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error."""
    terminal = Console(stderr=stderr)
    return terminal if terminal.is_terminal else Console(stderr=stderr, width=_WIDTH)
