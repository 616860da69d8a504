"""The record of a run while it is made: what is written at its start and however it ends."""

from __future__ import annotations

import logging
import os
import platform
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

from pytorch_lightning.loggers import Logger
from torch.multiprocessing import ProcessRaisedException

from fovea.config.build import build
from fovea.config.errors import FoveaError
from fovea.records import RunFolder, Status
from fovea.tracking.environment import process_seconds
from fovea.tracking.guarded import Guarded
from fovea.tracking.trackers import Outcome, RunInfo

log = logging.getLogger(__name__)

_FILES = ("config.yaml", "data.json", "environment.json", "history.csv", "predictions.parquet")
_earlier = count()  # runs of this process


class Recording:
    """Writes config and summary of a run, and starts and closes its tracker.

    Args:
        config: the resolved config.
        run: where the record goes.
        choices: the option chosen of each config group, for names and tags.

    Attributes:
        name: model, data and seed.
        origin: the moment of ``time.perf_counter`` the run's start-up is counted from: that of the
            process for its first run.
        seconds_before: how long the run took before it was interrupted.
        summary: as written last.
    """

    def __init__(
        self, config: Mapping[str, Any], run: RunFolder, choices: Mapping[str, str]
    ) -> None:
        self._started = time.perf_counter()
        self.origin = self._started if next(_earlier) else self._started - process_seconds()
        self.name = f"{choices['model']}-{choices['data']}-{config['seed']}"
        self.seconds_before = 0.0
        self._run = run
        self._tracker = Guarded(build("tracking", config["tracking"]))
        tags = [choices["model"], choices["data"]]
        self._info = RunInfo(run, self.name, config["experiment"], tags, config)
        self._tracked = False
        self.summary: dict[str, Any] = {
            "id": run.id,
            "name": self.name,
            "experiment": config["experiment"],
            "choices": dict(choices),
            "seed": config["seed"],
            "status": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "process": {"host": platform.node(), "pid": os.getpid()},
        }
        if config["rerun"]:
            run.clear()
        run.write("config.yaml", config)
        run.write("summary.json", self.summary)

    def track(self) -> Logger:
        """Start the tracker and return its logger."""
        self._tracked = True
        return self._tracker.start(self._info)

    def finish(self, summary: Mapping[str, Any], outcome: Outcome | None = None) -> None:
        """Record a run that is done, and tell its tracker of the test, if there was one.

        What the tracker makes of it is no part of the record.
        """
        self._end("finished", **summary, files=self._run.sizes(_FILES))
        if outcome is not None:
            self._tracker.report(outcome)
        self._tracker.finish(0)

    def fail(self, error: BaseException) -> None:
        """Record what ended a run that was not finished, as far as that can be written."""
        if self.summary["status"] == "finished":  # interrupted while its tracker was told
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        told = isinstance(error, FoveaError | KeyboardInterrupt)
        log.error("%s", _one_line(error) if told else traceback.format_exc())
        with suppress(OSError):  # a full disk may be what ended it
            self._end("interrupted" if interrupted else "failed", error=_one_line(error))
        if not (self._tracked or interrupted):
            self.track()
        self._tracker.finish(1)

    def _end(self, status: Status, **more: Any) -> None:
        seconds = self.seconds_before + time.perf_counter() - self._started
        ended = self.summary | {"status": status, "seconds": round(seconds, 2)} | more
        self._run.write("summary.json", ended)
        self.summary = ended  # a full disk may have kept it from being written


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, ProcessRaisedException):  # its text is the traceback of another process
        return lines[-1]
    if isinstance(error, FoveaError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
