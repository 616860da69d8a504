"""``fovea status``: how far an experiment is."""

from __future__ import annotations


def run(name: str) -> None:
    """Print every run of the experiment with its state, and an estimate of what is left.

    Raises:
        ConfigError: there is no such experiment, or its sweep is not valid.
    """
    from fovea.sweep.gone import experiment_runs
    from fovea.sweep.overview import print_overview

    print_overview(experiment_runs(name))
