"""``fovea list``: what there is to choose from."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from fovea.config.console import console
from fovea.config.errors import ConfigError, did_you_mean
from fovea.config.options import description, groups, options


def run(group: str | None) -> None:
    """Print every option of every config group, or of one, with its description.

    Raises:
        ConfigError: there is no such group.
    """
    known = groups()
    if group is not None and group not in known:
        raise ConfigError(
            f"no config group '{group}'{did_you_mean(group, known)} (known: {', '.join(known)})"
        )
    table = Table("group", "option", "what it is", box=None, pad_edge=False, header_style="bold")
    table.columns[1].no_wrap = True
    for name in [group] if group else known:
        for row, (option, file) in enumerate(options(name).items()):
            table.add_row("" if row else f"[bold]{name}", option, escape(description(file)))
    console().print(table)
