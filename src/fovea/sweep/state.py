"""What has become of each run of a plan, and what the rest will cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

from fovea.config.code import changed_modules, code_of
from fovea.config.errors import RecordError
from fovea.config.identity import run_id
from fovea.records import RunFolder
from fovea.sweep.plan import PlannedRun

Kind = Literal["done", "stale", "running", "interrupted", "failed", "damaged", "missing"]


@dataclass(frozen=True)
class State:
    """What has become of a run.

    Args:
        kind: ``stale`` is a finished run of other code than there is now.
        note: what has changed, the epochs behind an interrupted run, or why a run failed.
        seconds: spent on it.
        epochs: behind it.
        redo: it is to be trained: it is not finished.
    """

    kind: Kind
    note: str = ""
    seconds: float | None = None
    epochs: int = 0
    redo: bool = True

    @property
    def finished(self) -> bool:
        return self.kind in ("done", "stale")


class States:
    """Looks up the states of planned runs; no data is read.

    Args:
        runs: the plan.
    """

    def __init__(self, runs: Iterable[PlannedRun]) -> None:
        self.runs = {run.folder.id: run for run in runs}  # arms may share a run

    @cached_property
    def by_id(self) -> dict[str, State]:
        """The state of each run."""
        return {name: self._state(run) for name, run in self.runs.items()}

    def of(self, run: PlannedRun) -> State:
        return self.by_id[run.folder.id]

    @property
    def todo(self) -> list[PlannedRun]:
        """The runs that are to be trained."""
        return [run for name, run in self.runs.items() if self.by_id[name].redo]

    def _state(self, run: PlannedRun) -> State:
        status = run.folder.status
        if status is None:
            return State("missing")
        if status == "damaged":
            return State("damaged", "its record cannot be read: trained again")
        summary = run.folder.summary
        epochs, seconds = _behind(run.folder)
        if status == "finished":
            return self._finished(run, seconds, epochs)
        if status == "running":
            return State("running", _progress(run, epochs), seconds, epochs, redo=False)
        if status == "interrupted":
            return State("interrupted", _progress(run, epochs), seconds, epochs)
        return State("failed", summary.get("error", ""), seconds, epochs)

    def _finished(self, run: PlannedRun, seconds: float | None, epochs: int) -> State:
        try:
            run.folder.read("data.json")  # or it is damaged
            code = run.folder.read("environment.json").get("code", {})
        except RecordError as error:
            return State("damaged", str(error), seconds, epochs)
        if code and (changed := changed_modules(code, code_of(run.config))):
            note = f"the code has changed since: {', '.join(changed)}"
            return State("stale", note, seconds, epochs, redo=False)
        return State("done", "", seconds, epochs, redo=False)


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
                if seconds := _seconds_per_epoch(folder):
                    self.learn(folder.config, seconds)
                if folder.status == "finished":
                    self.learn_epochs(folder.config, folder.summary.get("epochs", 0))

    def learn(self, config: Mapping[str, Any], seconds_per_epoch: float) -> None:
        """Take a run's time for that of all that do the same work."""
        self._per_epoch.setdefault(_work(config), []).append(seconds_per_epoch)

    def learn_epochs(self, config: Mapping[str, Any], epochs: float) -> None:
        """Take the epochs after which a run ended for those of all seeds of its cell."""
        if epochs:
            self._epochs.setdefault(_cell(config), []).append(epochs)

    def seconds(self, run: PlannedRun, epochs: int = 0) -> float | None:
        """Return what is left of a run with so many epochs behind it; ``None`` if unknown."""
        known = self._per_epoch.get(_work(run.config))
        if not known:
            return None
        ended = self._epochs.get(_cell(run.config), [run.config["epochs"]])
        return fmean(known) * max(fmean(ended) - epochs, 0)


def _seconds_per_epoch(folder: RunFolder) -> float | None:
    """Return what an epoch takes; of a finished run, with all it does besides training."""
    if folder.status == "finished":
        epochs = folder.summary.get("epochs")
        return folder.summary["seconds"] / epochs if epochs else None
    told = [row["seconds"] for row in folder.history() if "seconds" in row]
    return fmean(told) if told else None


def _work(config: Mapping[str, Any]) -> str:
    """Return what makes an epoch of one run take as long as that of another."""
    data = config["data"]
    parts = [
        config["model"],
        data["source"],
        [data.get(key) for key in ("image_size", "val_fraction", "validate_on")],
        config["augment"],
        config["batch_size"],
        [config["trainer"].get(key) for key in ("precision", "limit_batches", "ema_decay")],
    ]
    return json.dumps(parts, sort_keys=True)


def _cell(config: Mapping[str, Any]) -> str:
    return run_id({**config, "seed": None})


def _behind(folder: RunFolder) -> tuple[int, float | None]:
    """Return the epochs behind a run, and its seconds: until it ends, those of its epochs."""
    seconds = folder.summary.get("seconds")
    try:
        history = folder.history()
    except RecordError:
        return 0, seconds
    if seconds is None and history:
        seconds = sum(row.get("seconds", 0.0) for row in history)
    return len(history), seconds


def _progress(run: PlannedRun, epochs: int) -> str:
    return f"after {epochs} of {run.config['epochs']} epochs"
