"""The folder of one run: what is in it, what state it is in, and how it is written."""

from __future__ import annotations

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
from fovea.records.atomic import write_atomic
from fovea.records.deleting import RERUNS, delete_entries
from fovea.records.history import EpochRow, history_from_text, history_text
from fovea.records.lock import is_locked, locked
from fovea.records.schema import FILES, Ended, mistake

REMEDY = "train it again with rerun=true"
Status = Ended | Literal["running", "damaged"]

_LATER = ("data.json", "environment.json", "history.csv", "predictions.parquet")


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
        config = self.read("config.yaml")
        if not config:
            raise RecordError(f"{self.path / 'config.yaml'}: missing; {REMEDY}")
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

        A run that was killed is ``interrupted``. ``damaged`` is a record whose summary is missing
        or not valid, and a finished one some of whose files are gone or cut short: what the other
        files hold, :attr:`damage` checks. A folder that is a symbolic link is no record.
        """
        if self.path.is_symlink():
            return None
        try:
            status = self._checked_summary().get("status")
        except RecordError:
            return "damaged"
        return "interrupted" if status == "running" and not self.locked else status

    @property
    def damage(self) -> str:
        """What is wrong with the record, in one line; '' for nothing. Every file of text is read.

        An entry that is not there yet is no damage to a run that is not finished.
        """
        try:
            if self._checked_summary():
                for name in ("config.yaml", "data.json", "environment.json"):
                    self.read(name)
                self.history()
        except RecordError as error:
            return str(error).removesuffix(f"; {REMEDY}")
        return ""

    def _checked_summary(self) -> dict[str, Any]:
        """Return the summary; empty where there is no record.

        Raises:
            RecordError: it is not valid, or files are not as it says.
        """
        summary = self.summary
        there = self.sizes(_LATER)
        if there and not summary:
            raise RecordError(f"{self.path / 'summary.json'}: missing; {REMEDY}")
        if summary.get("status") == "finished":
            for name, size in summary.get("files", {}).items():
                found = self.sizes([name]).get(name)
                if found != size:
                    what = "missing" if found is None else f"{found:,} bytes of {size:,}"
                    raise RecordError(f"{self.path / name}: {what}; {REMEDY}")
        return summary

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
        """Remove an entry of the record (or ``ENTRY/NAME``), where there is one.

        Raises:
            RecordError: as of :meth:`clear`.
        """
        delete_entries(self.path, only=[name])

    @property
    def rerun(self) -> RunFolder:
        """Where a recorded run is trained again, until the new record takes this one's place."""
        return RunFolder(self.path.parent / RERUNS / self.id)

    def history(self) -> list[EpochRow]:
        """Return a row of metrics per epoch, as :mod:`fovea.records.history` describes them.

        Raises:
            RecordError: the file is damaged.
        """
        file = self.path / "history.csv"
        try:
            return history_from_text(read_text(file, RecordError, limit=256 * 10**6, remedy=REMEDY))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise RecordError(f"{file}: damaged ({one_line(error, 100)}); {REMEDY}") from None

    def read(self, name: str, *needed: str) -> dict[str, Any]:
        """Read a JSON or (by its suffix) YAML file of the record; an empty dict for none.

        Args:
            name: of the file.
            needed: keys it must have.

        Raises:
            RecordError: the file is not as :mod:`fovea.records.schema` has it.
        """
        file = self.path / name
        content: Any = {}
        try:
            if file.suffix == ".yaml":
                content = read_yaml(file, RecordError, limit=4 * 10**6, remedy=REMEDY)
            else:
                content = read_json(file, RecordError, remedy=REMEDY)
        except FileNotFoundError:
            pass
        else:
            if not isinstance(content, dict):
                what = "a config" if file.suffix == ".yaml" else "an object"
                raise RecordError(f"{file}: not {what}; {REMEDY}")
            if name in FILES and (wrong := mistake(FILES[name], content)):
                raise RecordError(f"{file}: {wrong}; {REMEDY}")
        if missing := [key for key in needed if key not in content]:
            raise RecordError(f"{file}: no {', '.join(missing)}; {REMEDY}")
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
        write_atomic(self.path / "history.csv", history_text(rows).encode())


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for, NaN and infinities, by null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
