"""A plan told run by run: what has become of each, the time it took, and the time that is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from fovea.config.console import console
from fovea.config.printing import say
from fovea.records import all_runs
from fovea.sweep.launchers import own_launcher
from fovea.sweep.matching import published_results
from fovea.sweep.plan import PlannedRun, pairs, print_collapsed, swept_keys
from fovea.sweep.state import Costs, States

_STYLES = {
    "done": "green",
    "stale": "yellow",
    "unmeasured": "yellow",
    "running": "cyan",
    "interrupted": "yellow",
    "failed": "red",
    "damaged": "red",
    "missing": "dim",
}


def print_overview(runs: Sequence[PlannedRun]) -> None:
    """Print every run of a plan with its state, then the totals."""
    config = runs[0].config
    states = States(runs)
    recorded = all_runs(Path(config["outputs"]))
    costs = Costs([*(run.folder for run in runs), *recorded])
    known = published_results(runs)
    told = [(run, known[run.id].values) for run in runs if run.id in known]
    unknown = [(run, values) for run, values in told if costs.seconds(run) is None]
    for run, values in unknown:  # another machine's time, perhaps: better than none
        if "seconds" in values and values["epochs"].value:
            costs.learn(run.scientific, values["seconds"].value / values["epochs"].value)
    for run, values in told:
        costs.learn_epochs(run.scientific, values["epochs"].value)
    swept = swept_keys([run.cell for run in runs])
    table = Table(box=SIMPLE_HEAD)
    repeats = ["seed", "fold"] if any(run.folds for run in runs) else ["seed"]
    for heading in (*swept, *repeats, "run", "state", ""):
        table.add_column(heading, no_wrap=heading == "run")
    for heading in ("spent", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    left: dict[str, float | None] = {}
    for run in runs:
        state = states.of(run)
        elsewhere = state.kind == "missing" and run.id in known
        seconds = costs.seconds(run, state.epochs if state.kind != "stale" else 0)
        seconds = 0.0 if state.kind == "unmeasured" else seconds
        waits = state.redo or state.kind == "running"
        left[run.id] = seconds if waits else 0.0
        overrides = pairs(run.cell)
        repeat = ["–" if each is None else str(each) for each in run.repeat]
        table.add_row(
            *(escape(overrides.get(key, "–")) for key in swept),
            *repeat[: len(repeats)],
            known[run.id].id if elsewhere else run.folder.id,
            f"[{_STYLES[state.kind]}]{state.kind}[/]",
            "published" if elsewhere else escape(state.note),
            "–" if state.seconds is None else _time(state.seconds),
            _time(seconds) if waits else "–",
        )
    console().print(table)
    say("data not checked: train compares the data of finished runs with the data now")
    print_collapsed(runs)
    say(_totals(config, states, left))


def _totals(config: dict[str, Any], states: States, left: dict[str, float | None]) -> str:
    counts = Counter(state.kind for state in states.by_id.values())
    told = ", ".join(f"{counts[kind]} {kind}" for kind in _STYLES if counts[kind])
    spent = sum(state.seconds or 0.0 for state in states.by_id.values())
    unknown = sum(seconds is None for seconds in left.values())
    known = sum(seconds or 0.0 for seconds in left.values())
    launcher = own_launcher(config["launcher"])  # another is not built to be looked at
    environments = launcher.environments(len(states.todo), config["trainer"]) if launcher else []
    workers = len(environments) or 1
    estimate = f"about {_time(known)} of training left" if known else "no training left"
    if known and workers > 1:
        estimate += f", {_time(known / workers)} in {workers} workers"
    if unknown:
        estimate = f"{estimate}, and {unknown} runs of unknown cost" if known else "cost unknown"
    return f"{len(left)} runs: {told}; {_time(spent)} spent, {estimate}"


def _time(seconds: float | None) -> str:
    """Return a duration in the largest unit that says it in two digits or so."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
