"""The run record: plain files under ``outputs/runs/<run id>/``, the source of every table.

Every file is written atomically: after a crash there is the old file or the new one, never half.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, Literal

import yaml
from filelock import FileLock, Timeout

from fovea.config.errors import RecordError, did_you_mean

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
        """The resolved config.

        Raises:
            RecordError: the file is missing or damaged.
        """
        try:
            config = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise RecordError(f"{self.path / 'config.yaml'}: unreadable ({error})") from error
        if not isinstance(config, dict):
            raise RecordError(
                f"{self.path / 'config.yaml'}: not a config; train it again with rerun=true"
            )
        return config

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
        and so is a finished one some of whose files are gone or cut short.
        """
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
        """
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
            lock.release()

    @property
    def locked(self) -> bool:
        """Whether a process holds the run."""
        if not self._lock_file.is_file():
            return False
        try:
            with self.lock(timeout=0) as free:
                return not free
        except OSError:  # it may be read only here
            return False

    @property
    def _lock_file(self) -> Path:
        return self.path.parent / ".locks" / self.id

    @property
    def metrics(self) -> dict[str, float | None]:
        """Final metrics by name; ``None`` is what was no finite number."""
        return self.summary.get("metrics", {})

    def clear(self) -> None:
        """Remove all but the log, what Hydra keeps, and the config and summary of a run to come."""
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.name in ("train.log", ".hydra", "config.yaml", "summary.json"):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def history(self) -> list[dict[str, float]]:
        """Return one row of metrics per epoch.

        Raises:
            RecordError: the file is damaged.
        """
        file = self.path / "history.csv"
        if not file.is_file():
            return []
        try:
            with file.open(newline="", encoding="utf-8") as stream:
                return [
                    {key: float(value) for key, value in row.items() if value != ""}
                    for row in csv.DictReader(stream)
                ]
        except (OSError, ValueError, TypeError) as error:
            raise RecordError(
                f"{file}: damaged ({error}); train it again with rerun=true"
            ) from error

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the record; an empty dict where there is none.

        Raises:
            RecordError: the file is damaged.
        """
        file = self.path / name
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RecordError(
                f"{file}: damaged ({error}); train it again with rerun=true"
            ) from error
        if not isinstance(content, dict):
            raise RecordError(f"{file}: damaged (not an object); train it again with rerun=true")
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
    """Return every recorded run, by id."""
    return [RunFolder(path.parent) for path in sorted((outputs / "runs").glob("*/summary.json"))]


def find_run(outputs: Path, reference: str) -> RunFolder:
    """Return the run that a folder's path, an id or the start of an id names.

    Raises:
        RecordError: there is none, or more than one.
    """
    if (Path(reference) / "summary.json").is_file():
        return RunFolder(Path(reference).resolve())
    known = [path.parent for path in (outputs / "runs").glob("*/summary.json")]
    matches = [path for path in known if path.name.startswith(reference)]
    if len(matches) == 1:
        return RunFolder(matches[0])
    if matches:
        ids = ", ".join(sorted(path.name for path in matches)[:5])
        raise RecordError(
            f"'{reference}' is the start of {len(matches)} run ids ({ids}); add digits"
        )
    near = did_you_mean(reference, [path.name for path in known])
    raise RecordError(f"no run '{reference}' in {outputs / 'runs'}{near or '; see: fovea runs'}")


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for, NaN and infinities, by null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
