"""The record of a run while it is made: what is written at its start and however it ends."""

from __future__ import annotations

import logging
import os
import platform
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from torch.multiprocessing import ProcessRaisedException

from fovea.config.errors import FoveaError, RecordError
from fovea.config.identity import of_options, scientific
from fovea.config.printing import PrintableFormatter
from fovea.config.several import nodes
from fovea.records import RunFolder, Status
from fovea.records.deleting import delete_record, require_own
from fovea.training.tracking.environment import process_seconds
from fovea.training.tracking.guarded import Guarded
from fovea.training.tracking.trackers import Outcome, RunInfo, build_tracker

log = logging.getLogger(__name__)

_FILES = ("config.yaml", "data.json", "environment.json", "history.csv", "predictions.parquet")
_earlier = count()  # runs of this process


class Recording:
    """Writes config and summary of a run, and starts and closes its trackers.

    Args:
        config: the resolved config.
        folder: where the record goes.
        choices: the option chosen of each config group, for names and tags.
        overrides: what composed the config.
        arm: of the experiment's, if it has such.

    Attributes:
        name: model, data, seed and fold.
        origin: the moment of ``time.perf_counter`` the run's start-up is counted from: that of the
            process for its first run.
        seconds_before: how long the run took before it was interrupted.
        summary: as written last.

    Raises:
        RecordError: the folder holds something else than this run's record, or a symbolic link.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: RunFolder,
        choices: Mapping[str, str],
        overrides: Sequence[str] = (),
        arm: str | None = None,
    ) -> None:
        self._started = time.perf_counter()
        self.origin = self._started if next(_earlier) else self._started - process_seconds()
        fold = f"-fold{config['data']['fold']}" if config["data"].get("folds") else ""
        self.name = f"{choices['model']}-{choices['data']}-{config['seed']}{fold}"
        self.seconds_before = 0.0
        self.config = config
        self.folder = folder
        self._trackers: list[Guarded] = []
        for path, node in nodes("tracking", config):
            name = choices.get(path, "tracking")
            guarded = Guarded(build_tracker(node, name, folder), f"tracking={name}")
            self._trackers.append(guarded)
        tags = [choices["model"], choices["data"]]
        self._info = RunInfo(folder, self.name, config["experiment"], tags, config)
        self._tracked = False
        self.summary: dict[str, Any] = {
            "id": folder.id,
            "name": self.name,
            "experiment": config["experiment"],
            "choices": dict(choices),
            "overrides": list(overrides),
            "arm": arm,
            "scientific": scientific(config, choices),
            "probes": [*of_options("probe", config, choices).values()],
            "seed": config["seed"],
            "status": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "process": {"host": platform.node(), "pid": os.getpid()},
        }
        require_own(folder.path)
        self._new = not folder.path.exists()
        if config["rerun"] and not _is_rerun(folder):
            folder.clear()
        folder.write("config.yaml", config)
        folder.write("summary.json", self.summary)

    def track(self) -> list[Logger]:
        """Start the trackers and return their loggers."""
        self._tracked = True
        return [tracker.start(self._info) for tracker in self._trackers]

    def name_pictures(self, names: Sequence[str]) -> None:
        """Name in the summary the pictures that will be written: they may be deleted with it."""
        self.summary["pictures"] = list(names)
        self.folder.write("summary.json", self.summary)

    def finish(self, summary: Mapping[str, Any], outcome: Outcome | None = None) -> None:
        """Record a run that is done, and tell its trackers of the test, if there was one.

        What a tracker makes of it is no part of the record.
        """
        self._end("finished", **summary, files=self.folder.sizes(_FILES))
        told = {**summary, "seconds": self.summary["seconds"]}
        for tracker in self._trackers:
            if outcome is not None:
                tracker.report(replace(outcome, summary=told))
            tracker.finish(0)

    def fail(self, error: BaseException) -> None:
        """Record what ended a run that was not finished, as far as that can be written.

        A mistake that kept it from its first step leaves no record where there was none, and
        nothing is sent to its trackers.
        """
        if self.summary["status"] == "finished":  # interrupted while its trackers were told
            return
        mistake = isinstance(error, FoveaError) and not self._tracked
        if mistake and self._new:
            delete_record(self.folder.path)
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        told = isinstance(error, FoveaError | KeyboardInterrupt)
        log.error("%s", _one_line(error) if told else traceback.format_exc())
        with suppress(OSError):  # a full disk may be what ended it
            self._end("interrupted" if interrupted else "failed", error=_one_line(error))
        if not (self._tracked or interrupted or mistake):
            self.track()
        for tracker in self._trackers:
            tracker.finish(1)

    def _end(self, status: Status, **more: Any) -> None:
        seconds = self.seconds_before + time.perf_counter() - self._started
        ended = self.summary | {"status": status, "seconds": round(seconds, 2)} | more
        self.folder.write("summary.json", ended)
        self.summary = ended  # a full disk may have kept it from being written


@contextmanager
def log_file(file: Path) -> Iterator[None]:
    """Within it, everything that is logged goes to a run's log, and nothing to the terminal."""
    root = logging.getLogger()
    handler = _Log(file, encoding="utf-8")
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


class _Log(logging.FileHandler):
    """A log that does without what cannot be written, on a full disk for instance."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Lose the record."""


def _is_rerun(run: RunFolder) -> bool:
    """Whether a run was begun with ``rerun=true`` and is not finished: it can be resumed."""
    try:
        return run.status != "finished" and RunFolder(run.path).config["rerun"]
    except (RecordError, KeyError):
        return False


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, ProcessRaisedException):  # its text is the traceback of another process
        return lines[-1]
    if isinstance(error, FoveaError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
