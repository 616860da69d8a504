"""Whether the fast path costs accuracy: every run of ``experiments/speed``, and its reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from fovea.bench import EXPERIMENT
from fovea.records import write_atomic
from fovea.sweep.plan import PlannedRun, plan_experiment

_NOT_THE_RECIPE = ("trainer", "select", "task")  # what the two arms do not share, or not name alike


def measure_accuracy(
    folder: Path,
    *,
    processes: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Train the reference of every run of the experiment that has none yet.

    Args:
        folder: one JSON file a run, written as each finishes, so that an interrupted comparison
            is resumed.
        processes: references trained at a time, each with one thread.

    Returns:
        Test accuracy by network, arm and seed, of runs on this machine; fovea's are recorded runs.
    """
    runs = plan_experiment(EXPERIMENT)
    missing = [run for run in runs if _recorded(run, folder) is None]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        started = [pool.submit(_reference, run, _file(run, folder)) for run in missing]
        for number, done in enumerate(as_completed(started)):
            done.result()
            progress(f"accuracy: reference {number + 1} of {len(missing)}")
    found: dict[str, Any] = {}
    for run in runs:
        arms = found.setdefault(run.choices["model"], {"fovea": {}, "reference": {}})
        seed = str(run.config["seed"])
        if run.folder.status == "finished":
            arms["fovea"][seed] = run.folder.metrics["test/accuracy"]
        arms["reference"][seed] = _recorded(run, folder)
    return {"epochs": runs[0].config["epochs"], "accuracy": found}


def recipe(run: PlannedRun) -> dict[str, Any]:
    """Return what of a run's config both arms train by."""
    config = run.scientific
    return {key: config[key] for key in config if key.partition(".")[0] not in _NOT_THE_RECIPE}


def _reference(run: PlannedRun, file: Path) -> None:
    from fovea.bench.reference import train_reference

    torch.set_num_threads(1)
    measured = {"accuracy": train_reference(run.config), "recipe": recipe(run)}
    write_atomic(file, (json.dumps(measured, indent=2) + "\n").encode())


def _recorded(run: PlannedRun, folder: Path) -> float | None:
    """Return the reference's accuracy if it was trained by the run's recipe."""
    try:
        kept = json.loads(_file(run, folder).read_text(encoding="utf-8"))
        return kept["accuracy"] if kept["recipe"] == recipe(run) else None
    except (OSError, ValueError, KeyError):
        return None


def _file(run: PlannedRun, folder: Path) -> Path:
    return folder / f"{run.choices['model']}-{run.config['seed']}.json"
