"""The folder of one run: what is in it, what state it is in, and how it is written."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from fovea.config.errors import RecordError, one_line
from fovea.config.files import read_json, read_text, read_yaml
from fovea.config.identity import relocated
from fovea.records.deleting import RERUNS, delete_entries
from fovea.records.files import write_atomic
from fovea.records.lock import is_locked, locked

_REMEDY = "train it again with rerun=true"
Status = Literal["running", "finished", "failed", "interrupted", "damaged"]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run and the files in it."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.parquet"

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config; fovea's own classes are named where they are now.

        Raises:
            RecordError: the file is missing or damaged.
        """
        file = self.path / "config.yaml"
        try:
            config = read_yaml(file, RecordError, limit=4 * 10**6, remedy=_REMEDY)
        except FileNotFoundError:
            raise RecordError(f"{file}: missing; {_REMEDY}") from None
        if not isinstance(config, dict):
            raise RecordError(f"{file}: not a config; {_REMEDY}")
        choices = {}
        with suppress(RecordError):
            choices = self.summary.get("choices", {})
        return relocated(config, choices)

    @property
    def summary(self) -> dict[str, Any]:
        """Final metrics, status, duration and cost; empty where the run has none yet.

        Raises:
            RecordError: the file is damaged.
        """
        return self.read("summary.json")

    @property
    def status(self) -> Status | None:
        """What has become of the run; ``None`` where there is no record.

        A run that was killed is ``interrupted``. One whose summary cannot be read is ``damaged``,
        and so is a finished one some of whose files are gone or cut short. A folder that is a
        symbolic link is no record.
        """
        if self.path.is_symlink():
            return None
        try:
            summary = self.summary
        except RecordError:
            return "damaged"
        status, files = summary.get("status"), summary.get("files", {})
        if status == "running" and not self.locked:
            return "interrupted"
        if status == "finished" and files != self.sizes(files):
            return "damaged"
        return status

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Return the bytes of each file of the record that is there."""
        files = {name: self.path / name for name in names}
        return {name: file.stat().st_size for name, file in files.items() if file.is_file()}

    def lock(self, timeout: float = 1.0) -> AbstractContextManager[bool]:
        """Hold the run for this process; yields whether it could be had within so many seconds.

        The lock is released however the process ends.

        Raises:
            RecordError: the lock is a symbolic link.
        """
        return locked(self.path, timeout)

    @property
    def locked(self) -> bool:
        """Whether a process holds the run."""
        return is_locked(self.path)

    @property
    def metrics(self) -> dict[str, float | None]:
        """Final metrics by name; ``None`` is what was no finite number."""
        return self.summary.get("metrics", {})

    def clear(self) -> None:
        """Remove all that fovea made but the log, and the config and summary of a run to come.

        Raises:
            RecordError: this is not a run's folder, or there is a symbolic link in it.
        """
        delete_entries(self.path, keep=("train.log", "config.yaml", "summary.json"))

    def discard(self, name: str) -> None:
        """Remove an entry of the record, where there is one.

        Raises:
            RecordError: as of :meth:`clear`.
        """
        delete_entries(self.path, only=[name])

    @property
    def rerun(self) -> RunFolder:
        """Where a finished run is trained again, until the new record takes this one's place."""
        return RunFolder(self.path.parent / RERUNS / self.id)

    def history(self) -> list[dict[str, float]]:
        """Return one row of metrics per epoch.

        Raises:
            RecordError: the file is damaged.
        """
        file = self.path / "history.csv"
        try:
            text = read_text(file, RecordError, limit=256 * 10**6, remedy=_REMEDY)
            return [
                {key: float(value) for key, value in row.items() if value != ""}
                for row in csv.DictReader(io.StringIO(text))
            ]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, csv.Error) as error:
            raise RecordError(f"{file}: damaged ({one_line(error, 100)}); {_REMEDY}") from error

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the record; an empty dict where there is none.

        Raises:
            RecordError: the file is damaged.
        """
        file = self.path / name
        try:
            content = read_json(file, RecordError, remedy=_REMEDY)
        except FileNotFoundError:
            return {}
        if not isinstance(content, dict):
            raise RecordError(f"{file}: not an object; {_REMEDY}")
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON or (by its suffix) YAML file of the record."""
        if name.endswith(".yaml"):
            text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
        else:
            text = json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n"
        write_atomic(self.path / name, text.encode(errors="backslashreplace"))  # as JSON escapes it

    def write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the metrics of every epoch so far as CSV."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        write_atomic(self.path / "history.csv", text.getvalue().encode())


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for, NaN and infinities, by null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
