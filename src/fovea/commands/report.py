"""``fovea report``: runs in one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fovea.config import paths
from fovea.config.errors import ConfigError, FoveaError
from fovea.config.printing import say
from fovea.records import RunFolder, all_runs, write_atomic


def run(names: Sequence[str], all: bool, out: Path | None) -> None:
    """Write the report of experiments, those of their runs that were not run too, or of all runs.

    Raises:
        FoveaError: nothing was asked for, or there is no such experiment, or no run; or the file
            cannot be written.
    """
    if bool(names) == all:
        raise ConfigError("name experiments, or give --all for every recorded run")
    outputs = paths.outputs()
    records = all_runs(outputs) if all else []
    if all and not records:
        raise ConfigError(f"no runs in {outputs / 'runs'}; train some: fovea train")
    from fovea.report.entries import planned, reported_runs
    from fovea.report.page import page
    from fovea.sweep.gone import experiment_runs
    from fovea.sweep.telling import table_of
    from fovea.tables.html import fragment

    plans = {name: experiment_runs(name) for name in names or _experiments(records)}
    title = "All runs" if all else ", ".join(plans)
    file = out or outputs / "reports" / f"{names[0] if len(plans) == 1 and names else 'runs'}.html"
    folder = file.resolve().parent
    entries = reported_runs(records) if all else planned(plans)
    tables = {name: fragment(table_of(plan)) for name, plan in plans.items()}
    html = page(title, entries, tables, folder)
    try:
        write_atomic(file, html.encode())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from error
    say(file)


def _experiments(records: Sequence[RunFolder]) -> list[str]:
    """Return the experiments that recorded runs were trained for, and that there still are."""
    found = set()
    for record in records:
        with suppress(FoveaError):  # of a damaged summary, or of what is no name
            name = record.summary.get("experiment")
            if isinstance(name, str) and paths.experiment(name):
                found.add(name)
    return sorted(found)
