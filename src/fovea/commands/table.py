"""``fovea table``: an experiment's table, from the records of its runs."""

from __future__ import annotations


def run(name: str) -> None:
    """Print the table and write its files; cells without runs are shown as not run.

    Raises:
        ConfigError: there is no such experiment, or its files are not valid.
    """
    from fovea.sweep.plan import plan_experiment
    from fovea.sweep.telling import report

    report(plan_experiment(name))
