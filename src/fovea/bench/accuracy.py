"""Whether the fast path costs accuracy: every run of ``experiments/speed``, and its reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from fovea.bench import EXPERIMENT
from fovea.config.identity import scientific
from fovea.records import write_atomic
from fovea.sweep.plan import PlannedRun, plan_experiment

_NOT_THE_RECIPE = ("trainer", "select", "task")  # what the two arms do not share, or not name alike


def measure_accuracy(
    folder: Path,
    published: Mapping[str, Any] | None,
    *,
    processes: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Train the reference of every run of the experiment that has none yet.

    Args:
        folder: one JSON file a run, written as each finishes, so that an interrupted comparison
            goes on where it was.
        published: what is known already; of another recipe, it is left out.
        processes: references trained at a time, each with one thread.

    Returns:
        Test accuracy by network, arm and seed; of fovea's arm, that of the recorded runs.
    """
    runs = plan_experiment(EXPERIMENT)
    known = merge_accuracy(published, compare(runs, partial(_recorded, folder=folder)))
    missing = [
        run
        for run in runs
        if str(run.config["seed"]) not in known["accuracy"][run.choices["model"]]["reference"]
    ]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        started = [pool.submit(_reference, run.config, _file(run, folder)) for run in missing]
        for number, done in enumerate(as_completed(started)):
            done.result()
            progress(f"accuracy: reference {number + 1} of {len(missing)}")
    return merge_accuracy(published, compare(runs, partial(_recorded, folder=folder)))


def compare(
    runs: list[PlannedRun], reference: Callable[[PlannedRun], float | None]
) -> dict[str, Any]:
    """Return the test accuracies of both arms: network → arm → seed → accuracy."""
    found: dict[str, Any] = {}
    for run in runs:
        arms = found.setdefault(run.choices["model"], {"fovea": {}, "reference": {}})
        seed = str(run.config["seed"])
        if run.folder.status == "finished":
            arms["fovea"][seed] = run.folder.metrics["test/accuracy"]
        if (accuracy := reference(run)) is not None:
            arms["reference"][seed] = accuracy
    return {"epochs": runs[0].config["epochs"], "recipe": _digest(runs), "accuracy": found}


def merge_accuracy(published: Mapping[str, Any] | None, measured: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured, with the seeds that only the published comparison has.

    Another recipe's are left out.
    """
    if not published or published["recipe"] != measured["recipe"]:
        return measured
    merged = {
        network: {
            arm: published["accuracy"].get(network, {}).get(arm, {}) | seeds
            for arm, seeds in arms.items()
        }
        for network, arms in measured["accuracy"].items()
    }
    return measured | {"accuracy": merged}


def recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a config both arms train by."""
    return {key: value for key, value in scientific(config).items() if key not in _NOT_THE_RECIPE}


def _digest(runs: list[PlannedRun]) -> str:
    text = json.dumps([recipe(run.config) for run in runs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _reference(config: Mapping[str, Any], file: Path) -> None:
    from fovea.bench.reference import train_reference

    torch.set_num_threads(1)
    measured = {"accuracy": train_reference(config), "recipe": recipe(config)}
    write_atomic(file, (json.dumps(measured, indent=2) + "\n").encode())


def _recorded(run: PlannedRun, folder: Path) -> float | None:
    """Return the reference's accuracy if it was trained by the run's recipe."""
    try:
        kept = json.loads(_file(run, folder).read_text(encoding="utf-8"))
        return kept["accuracy"] if kept["recipe"] == recipe(run.config) else None
    except (OSError, ValueError, KeyError):
        return None


def _file(run: PlannedRun, folder: Path) -> Path:
    return folder / f"{run.choices['model']}-{run.config['seed']}.json"
