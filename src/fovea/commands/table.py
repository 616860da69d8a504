"""``fovea table``: an experiment's table, from the records of its runs and published results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from fovea.config.console import console
from fovea.config.printing import say

if TYPE_CHECKING:
    from fovea.sweep.plan import PlannedRun


def run(name: str, publish: bool, verify: bool) -> int:
    """Print the table and write its files; cells without runs are shown as not run.

    Returns:
        1 where a summary disagrees with its run's predictions; nothing is published then.

    Raises:
        FoveaError: there is no such experiment, its files are not valid or cannot be written, or a
            run's predictions are damaged.
    """
    from fovea.sweep.gone import experiment_runs
    from fovea.sweep.telling import report

    runs = experiment_runs(name)
    if verify and not _verified(runs):
        return 1
    if publish:
        _publish(runs)
    elif not verify:
        report(runs)
    return 0


def _publish(runs: Sequence[PlannedRun]) -> None:
    from fovea.sweep.publication import publish_experiment
    from fovea.tables.terminal import print_table

    table, changed = publish_experiment(runs)
    print_table(table)
    for file in changed:
        say(file)
    if not changed:
        say("published as it is already")


def _verified(runs: Sequence[PlannedRun]) -> bool:
    """Print what the predictions of every finished run say of its summary; whether all agree."""
    from fovea.problems.recorded import verify

    folders = {run.folder.id: run.folder for run in runs if run.folder.status == "finished"}
    checked = {run: verify(folder) for run, folder in folders.items()}
    wrong = Table("run", "metric", "recorded", "recomputed", title="disagreements")
    for run, disagreements in checked.items():
        for each in disagreements or ():
            low, high = (f"{bound:.6f}" for bound in each.recomputed)
            told = low if low == high else f"{low} to {high}"
            shown = "no number" if each.recorded is None else f"{each.recorded:.6f}"
            wrong.add_row(escape(run), escape(each.name), shown, told)
    if wrong.row_count:
        console().print(wrong)
    without = [run for run, found in checked.items() if found is None]
    if without:
        say(f"without stored predictions: {' '.join(without)}")
    differ = sum(bool(found) for found in checked.values())
    agree = len(checked) - len(without) - differ
    say(f"{agree} of {len(checked)} finished runs agree with their predictions; {differ} do not")
    return not differ
