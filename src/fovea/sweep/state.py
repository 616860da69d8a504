"""What has become of each run of a plan, and what the rest will cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

from fovea.config.errors import RecordError
from fovea.config.identity import REPEATS, Scientific, of_options
from fovea.config.numerics import changes_of_record
from fovea.records import RunFolder
from fovea.sweep.matching import recorded_config
from fovea.sweep.plan import PlannedRun

_NO_WORK = (  # how a run is trained, and not for how long an epoch
    *("epochs", "select", "schedule", "optimizer."),
    *("trainer.stop", "trainer.monitor", "trainer.patience", "trainer.gradient_clip"),
)

StateKind = Literal[
    "done", "stale", "unmeasured", "running", "interrupted", "failed", "damaged", "missing"
]


@dataclass(frozen=True)
class State:
    """What has become of a run.

    Args:
        kind: ``stale`` is a finished run that would give other numbers now, ``unmeasured`` one
            that a planned probe or metric has not measured.
        note: what has changed, the epochs behind an interrupted run, or why a run failed.
        seconds: spent on it.
        epochs: behind it.
        redo: there is something to do: it is not finished, or not measured.
    """

    kind: StateKind
    note: str = ""
    seconds: float | None = None
    epochs: int = 0
    redo: bool = True

    @property
    def finished(self) -> bool:
        return self.kind in ("done", "stale", "unmeasured")


class States:
    """Looks up the states of planned runs; no data is read.

    Args:
        runs: the plan.
    """

    def __init__(self, runs: Iterable[PlannedRun]) -> None:
        self.runs = {run.id: run for run in runs}  # arms may share a run

    @cached_property
    def by_id(self) -> dict[str, State]:
        """The state of each run."""
        return {name: self._state(run) for name, run in self.runs.items()}

    def of(self, run: PlannedRun) -> State:
        return self.by_id[run.id]

    @property
    def todo(self) -> list[PlannedRun]:
        """The runs that are to be trained."""
        return [run for name, run in self.runs.items() if self.by_id[name].redo]

    def _state(self, run: PlannedRun) -> State:
        status = run.folder.status
        if status is None:
            return State("missing")
        if damage := run.folder.damage:
            where = damage.removeprefix(f"{run.folder.path}/")
            return State("damaged", f"{where}; trained again")
        summary = run.folder.summary
        epochs, seconds = _behind(run.folder, summary)
        if status == "finished":
            return self._finished(run, seconds, epochs)
        if status == "running":
            return State("running", _progress(run, epochs), seconds, epochs, redo=False)
        if status == "interrupted":
            return State("interrupted", _progress(run, epochs), seconds, epochs)
        return State("failed", summary.get("error", ""), seconds, epochs)

    def _finished(self, run: PlannedRun, seconds: float | None, epochs: int) -> State:
        sources = {"checkpoint": missing_probes(run), "predictions": missing_metrics(run)}
        if notes := [f"{', '.join(found)} from its {of}" for of, found in sources.items() if found]:
            note = f"finished; to be measured: {' and '.join(notes)}"
            return State("unmeasured", note, seconds, epochs)
        if changes := [*changes_of_record(run.folder.read("environment.json"), run.config)]:
            return State("stale", "; ".join(changes), seconds, epochs, redo=False)
        return State("done", "", seconds, epochs, redo=False)


def missing_probes(run: PlannedRun) -> dict[str, Scientific]:
    """Return the planned probes that are to measure the checkpoint of a finished run.

    Returns:
        The scientific config of each by its path; none where there is no checkpoint.

    Raises:
        RecordError: the record is damaged.
    """
    folder = run.folder
    planned = of_options("probe", run.config, run.choices)
    if not planned:
        return {}
    known = probes(folder)
    missing = {path: probe for path, probe in planned.items() if probe not in known}
    checkpoint = folder.checkpoints / f"{folder.summary.get('selected')}.ckpt"
    return missing if checkpoint.is_file() else {}


def missing_metrics(run: PlannedRun) -> dict[str, Mapping[str, Any]]:
    """Return the planned metrics that are to be computed of the predictions of a finished run.

    Returns:
        The config of each by its name; none where there are no predictions.

    Raises:
        RecordError: the record is damaged.
    """
    planned = run.config.get("metrics") or {}
    if not planned or not run.folder.predictions.is_file():
        return {}
    known = run.folder.summary.get("metric_nodes", {})
    return {name: node for name, node in planned.items() if known.get(name) != node}


def probes(folder: RunFolder) -> list[Scientific]:
    """Return the probes that have measured a finished run.

    Raises:
        RecordError: the record is damaged.
    """
    summary = folder.summary
    if "probes" in summary:
        return summary["probes"]
    return [*of_options("probe", folder.config, summary.get("choices", {})).values()]  # earlier


class Costs:
    """Estimates the seconds of runs: of an epoch by runs that do the same work in one; how many
    epochs there will be, by other seeds of the cell, which may have stopped early.

    Args:
        folders: records, finished or not; of several of one id the first counts.
    """

    def __init__(self, folders: Iterable[RunFolder]) -> None:
        self._per_epoch: dict[str, list[float]] = {}
        self._epochs: dict[str, list[float]] = {}
        for folder in {folder.id: folder for folder in folders}.values():
            with suppress(RecordError, OSError):
                config, finished = recorded_config(folder), folder.status == "finished"
                summary = folder.summary if finished else {}
                if seconds := _seconds_per_epoch(folder, summary):
                    self.learn(config, seconds)
                self.learn_epochs(config, summary.get("epochs", 0))

    def learn(self, config: Scientific, seconds_per_epoch: float) -> None:
        """Take a run's time for that of all that do the same work."""
        self._per_epoch.setdefault(_work(config), []).append(seconds_per_epoch)

    def learn_epochs(self, config: Scientific, epochs: float) -> None:
        """Take the epochs after which a run ended for those of all seeds of its cell."""
        if epochs:
            self._epochs.setdefault(_cell(config), []).append(epochs)

    def seconds(self, run: PlannedRun, epochs: int = 0) -> float | None:
        """Return what is left of a run with so many epochs behind it; ``None`` if unknown."""
        known = self._per_epoch.get(_work(run.scientific))
        if not known:
            return None
        ended = self._epochs.get(_cell(run.scientific), [run.config["epochs"]])
        return fmean(known) * max(fmean(ended) - epochs, 0)


def _seconds_per_epoch(folder: RunFolder, summary: Mapping[str, Any]) -> float | None:
    """Return what an epoch takes; by the summary of a finished run, with all it does besides."""
    if summary:
        epochs = summary.get("epochs")
        return summary.get("seconds", 0.0) / epochs if epochs else None
    told = [row["seconds"] for row in folder.history() if "seconds" in row]
    return fmean(told) if told else None


def _work(config: Scientific) -> str:
    """Return what makes an epoch of one run take as long as that of another."""
    return json.dumps(
        [
            (key, config[key])
            for key in config
            if key not in REPEATS and not key.startswith(_NO_WORK)
        ]
    )


def _cell(config: Scientific) -> str:
    return json.dumps([(key, config[key]) for key in config if key not in REPEATS])


def _behind(folder: RunFolder, summary: Mapping[str, Any]) -> tuple[int, float | None]:
    """Return the epochs behind a run, and its seconds: until it ends, those of its epochs."""
    seconds = summary.get("seconds")
    history = folder.history()
    if seconds is None and history:
        seconds = sum(row.get("seconds", 0.0) for row in history)
    return len(history), seconds


def _progress(run: PlannedRun, epochs: int) -> str:
    return f"after {epochs} of {run.config['epochs']} epochs"
