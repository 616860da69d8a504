"""The runs of a report: what is planned, what is recorded, and what became of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fovea.config.errors import RecordError
from fovea.records import RunFolder
from fovea.report.differences import settings
from fovea.sweep.plan import PlannedRun


@dataclass(frozen=True)
class Entry:
    """One run.

    Args:
        folder: its record.
        status: the record's; ``diverged`` where a finished run's loss is no number, ``not run``
            where there is no record, ``damaged`` where a file of it cannot be read.
        summary: the record's, as far as it got.
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
    def epochs(self) -> str:
        """The epochs that were trained, of those asked for."""
        asked, trained = self.settings.get("epochs", "?"), len(self.history)
        return str(trained) if trained == asked else f"{trained} of {asked}"

    @property
    def command(self) -> str | None:
        """What trains it again."""
        if self.overrides is None:
            return None
        asked = [each for each in self.overrides if not each.startswith("rerun=")]
        again = [] if self.status == "not run" else ["rerun=true"]
        return shlex.join(["fovea", "train", *asked, *again])


def planned(experiments: Mapping[str, Sequence[PlannedRun]]) -> list[Entry]:
    """Return the runs of experiments, each once, whether or not they were run.

    Args:
        experiments: the plan of each, by name.
    """
    arms: dict[str, dict[str, None]] = {}
    runs: dict[str, tuple[str, PlannedRun]] = {}
    for name, plan in experiments.items():
        for run in plan:
            runs.setdefault(run.folder.id, (name, run))
            if run.arm is not None:
                arms.setdefault(run.folder.id, {})[run.arm] = None
    return [
        _entry(
            run.folder,
            {"experiment": name}
            | ({"arm": ", ".join(arms[key])} if key in arms else {})
            | settings(run.config, run.choices),
            run.overrides,
        )
        for key, (name, run) in runs.items()
    ]


def recorded(runs: Sequence[RunFolder]) -> list[Entry]:
    """Return recorded runs, the latest first."""
    entries = []
    for run in runs:
        overrides = _overrides(run)
        try:
            summary = run.summary
            experiment = {"experiment": summary.get("experiment") or "–"}
            told = experiment | settings(run.config, summary.get("choices", {}))
            entries.append(_entry(run, told, overrides))
        except RecordError as error:
            entries.append(_damaged(run, {}, overrides, error))
    return sorted(entries, key=lambda entry: entry.summary.get("started", ""), reverse=True)


def _entry(folder: RunFolder, told: Mapping[str, Any], overrides: Sequence[str] | None) -> Entry:
    try:
        summary, history = folder.summary, folder.history()
    except RecordError as error:
        return _damaged(folder, told, overrides, error)
    status = summary.get("status", "not run")
    if status == "finished" and summary.get("diverged"):
        status = "diverged"
    return Entry(folder, status, summary, history, told, overrides)


def _damaged(
    folder: RunFolder,
    told: Mapping[str, Any],
    overrides: Sequence[str] | None,
    error: RecordError,
) -> Entry:
    return Entry(folder, "damaged", {"error": str(error)}, [], told, overrides)


def _overrides(run: RunFolder) -> list[str] | None:
    """Return what Hydra recorded to have been asked for."""
    try:
        text = (run.path / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
        overrides = yaml.safe_load(text)
    except (OSError, yaml.YAMLError):
        return None
    return [str(each) for each in overrides] if isinstance(overrides, list) else None
