"""The run record: plain files under ``outputs/runs/<run id>/``, the source of every table.

Every file is written atomically: after a crash there is the old file or the new one, never half.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, Literal

import yaml
from filelock import FileLock, Timeout

from fovea import deleting
from fovea.config.errors import RecordError, did_you_mean, one_line
from fovea.config.files import read_json, read_text, read_yaml
from fovea.config.identity import relocated

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

    @contextmanager
    def lock(self, timeout: float = 1.0) -> Iterator[bool]:
        """Hold the run for this process; yields whether it could be had within so many seconds.

        A process that dies, however it dies, lets go of it.

        Raises:
            RecordError: the lock is a symbolic link.
        """
        for path in (self._lock_file.parent, self._lock_file):
            deleting.require_no_link(path)
        lock = FileLock(self._lock_file, timeout=timeout)
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            if not self.path.exists():  # nothing came of it: the lock would be all that is left
                self._lock_file.unlink(missing_ok=True)
            lock.release()

    @property
    def locked(self) -> bool:
        """Whether a process holds the run."""
        if not self._lock_file.is_file():
            return False
        try:
            with self.lock(timeout=0) as free:
                return not free
        except (OSError, RecordError):  # it may be read only here, or a link
            return False

    @property
    def _lock_file(self) -> Path:
        return self.path.parent / ".locks" / self.id

    @property
    def metrics(self) -> dict[str, float | None]:
        """Final metrics by name; ``None`` is what was no finite number."""
        return self.summary.get("metrics", {})

    def clear(self) -> None:
        """Remove all that fovea made but the log, and the config and summary of a run to come.

        Raises:
            RecordError: this is not a run's folder, or there is a symbolic link in it.
        """
        deleting.delete_entries(self.path, keep=("train.log", "config.yaml", "summary.json"))

    def discard(self, name: str) -> None:
        """Remove an entry of the record, where there is one.

        Raises:
            RecordError: as of :meth:`clear`.
        """
        deleting.delete_entries(self.path, only=[name])

    @property
    def rerun(self) -> RunFolder:
        """Where a finished run is trained again, until the new record takes this one's place."""
        return RunFolder(self.path.parent / deleting.RERUNS / self.id)

    def replace_by_rerun(self) -> bool:
        """Put a finished rerun in this record's place; what fovea did not make there stays.

        Killed at any moment, it is completed by the next call.

        Returns:
            Whether there was one.

        Raises:
            RecordError: a folder is not a run's, or there is a symbolic link.
        """
        rerun, replaced = self.rerun.path, self.path.parent / deleting.REPLACED / self.id
        for folder in (self.path, rerun, replaced):
            deleting.require_own(folder)
        if self.rerun.status != "finished":
            return False
        if self.path.exists():
            self._inherit(replaced)
            replaced.parent.mkdir(exist_ok=True)
            self.path.rename(replaced)
        rerun.rename(self.path)
        self._inherit(replaced)
        return True

    def _inherit(self, replaced: Path) -> None:
        """Delete a replaced record but for what fovea did not make, which is moved to this one."""
        if not replaced.is_dir():
            return
        for path in deleting.foreign_entries(replaced):
            if not (self.path / path.name).exists():
                path.rename(self.path / path.name)
        deleting.delete_record(replaced)

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


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a crash at any moment leaves the old content or the new, whole."""
    with atomic_stream(path) as stream:
        stream.write(content)


@contextmanager
def atomic_stream(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that takes its place, whole, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        with temporary.open("xb") as stream:  # its mode is as the user's umask has it
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def run_folder(outputs: Path, run_id: str) -> RunFolder:
    """Return the folder of a run, whether or not it exists yet."""
    return RunFolder(outputs / "runs" / run_id)


def all_runs(outputs: Path) -> list[RunFolder]:
    """Return every recorded run, by id; symbolic links are stepped over."""
    found = [file.parent for file in sorted((outputs / "runs").glob("*/summary.json"))]
    return [RunFolder(path) for path in found if not path.is_symlink()]


def find_run(outputs: Path, reference: str) -> RunFolder:
    """Return the run that a folder's path, an id or the start of an id names.

    Raises:
        RecordError: there is none, or more than one, or the folder is not a run's.
    """
    if (Path(reference) / "summary.json").is_file():
        folder = Path(reference).resolve()
        if not deleting.is_record(folder):
            raise RecordError(f"{folder}: not the record of a run (its name is not its run's id)")
        return RunFolder(folder)
    known = [run.id for run in all_runs(outputs)]
    matches = [each for each in known if each.startswith(reference)]
    if len(matches) == 1:
        return run_folder(outputs, matches[0])
    if matches:
        ids = ", ".join(matches[:5])
        raise RecordError(
            f"'{reference}' is the start of {len(matches)} run ids ({ids}); add digits"
        )
    near = did_you_mean(reference, known)
    raise RecordError(f"no run '{reference}' in {outputs / 'runs'}{near or '; see: fovea runs'}")


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for, NaN and infinities, by null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
