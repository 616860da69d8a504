"""The runs of a report: what is planned, what is recorded, and what became of it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fovea.config.errors import RecordError
from fovea.config.files import read_yaml
from fovea.config.numerics import changes_of_record
from fovea.records import RunFolder
from fovea.report.differences import run_settings
from fovea.sweep.matching import published_results
from fovea.sweep.plan import PlannedRun
from fovea.tables.results import Result


@dataclass(frozen=True)
class ReportedRun:
    """One run.

    Args:
        folder: its record.
        status: the record's; ``diverged`` where a finished run's loss is no number, ``stale`` where
            its numbers have changed since, ``damaged`` where a file of it cannot be read; where
            there is no record, ``published`` if its experiment has the result, else ``not run``.
        summary: the record's, as far as it got; the numbers of a published result.
        history: a row of metrics per epoch.
        settings: what it is told by: the option of every group, and every scientific config key.
        overrides: what composes its config; ``None`` where that is not recorded.
    """

    folder: RunFolder
    status: str
    summary: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    settings: Mapping[str, Any]
    overrides: Sequence[str] | None

    @property
    def id(self) -> str:
        return self.folder.id

    @property
    def metrics(self) -> Mapping[str, float | None]:
        return self.summary.get("metrics", {})

    @property
    def recorded(self) -> bool:
        return self.status not in ("not run", "published")

    @property
    def trained(self) -> int:
        """The epochs that were trained."""
        return len(self.history) if self.recorded else self.summary.get("epochs", 0)

    @property
    def epochs(self) -> str:
        """The epochs that were trained, of those asked for."""
        asked = self.settings.get("epochs", "?")
        return str(self.trained) if self.trained == asked else f"{self.trained} of {asked}"

    @property
    def command(self) -> str | None:
        """What trains it again."""
        if self.overrides is None:
            return None
        asked = [each for each in self.overrides if not each.startswith("rerun=")]
        again = ["rerun=true"] if self.recorded else []
        return shlex.join(["fovea", "train", *asked, *again])


def planned(experiments: Mapping[str, Sequence[PlannedRun]]) -> list[ReportedRun]:
    """Return the runs of experiments, each once, whether or not they were run.

    Args:
        experiments: the plan of each, by name.

    Raises:
        RecordError: the published results of one are damaged.
    """
    known: dict[str, Result] = {}
    for plan in experiments.values():
        known |= published_results(plan)
    arms: dict[str, dict[str, None]] = {}
    runs: dict[str, tuple[str, PlannedRun]] = {}
    for name, plan in experiments.items():
        for run in plan:
            runs.setdefault(run.id, (name, run))
            if run.arm is not None:
                arms.setdefault(run.id, {})[run.arm] = None
    entries = []
    for key, (name, run) in runs.items():
        arm = {"arm": ", ".join(arms[key])} if key in arms else {}
        told = {"experiment": name} | arm | run_settings(run.config, run.choices)
        entry = _entry(run.folder, told, run.overrides)
        if entry.status == "not run" and key in known:
            folder = RunFolder(run.folder.path.with_name(known[key].id))
            summary = _summary(known[key])
            entry = replace(entry, folder=folder, status="published", summary=summary)
        entries.append(entry)
    return entries


def reported_runs(runs: Sequence[RunFolder]) -> list[ReportedRun]:
    """Return recorded runs, the latest first."""
    entries = []
    for run in runs:
        overrides = _overrides(run)
        try:
            summary = run.summary
            experiment = {"experiment": summary.get("experiment") or "–"}
            told = experiment | run_settings(run.config, summary.get("choices", {}))
            entries.append(_entry(run, told, overrides))
        except RecordError as error:
            entries.append(_damaged(run, {}, overrides, run.damage or str(error)))
    return sorted(entries, key=lambda entry: entry.summary.get("started", ""), reverse=True)


def _entry(
    folder: RunFolder, told: Mapping[str, Any], overrides: Sequence[str] | None
) -> ReportedRun:
    if damage := folder.damage:
        return _damaged(folder, told, overrides, damage)
    summary, history = folder.summary, folder.history()
    status = summary.get("status", "not run")
    if status == "finished" and summary.get("diverged"):
        status = "diverged"
    elif status == "finished":
        changes = changes_of_record(folder.read("environment.json"), folder.config)
        if since := "; ".join(changes):
            status, summary = "stale", summary | {"error": since}
    return ReportedRun(folder, status, summary, history, told, overrides)


def _summary(result: Result) -> dict[str, Any]:
    """Return what a summary would say of a published result."""
    values = {name: each.value for name, each in result.values.items() if "(" not in name}
    metrics = {
        name: value if math.isfinite(value) else None
        for name, value in values.items()
        if "/" in name
    }
    return {name: value for name, value in values.items() if "/" not in name} | {"metrics": metrics}


def _damaged(
    folder: RunFolder,
    told: Mapping[str, Any],
    overrides: Sequence[str] | None,
    damage: str,
) -> ReportedRun:
    return ReportedRun(folder, "damaged", {"error": damage}, [], told, overrides)


def _overrides(run: RunFolder) -> list[str] | None:
    """Return the overrides that a run was asked for with."""
    try:
        overrides = run.summary.get("overrides")
        if overrides is None:  # recorded by an earlier version
            overrides = read_yaml(run.path / ".hydra" / "overrides.yaml", RecordError)
    except (FileNotFoundError, RecordError):
        return None
    return [str(each) for each in overrides] if isinstance(overrides, list) else None
