"""A tracker that never ends a run: what it cannot do is logged, once, and the run goes on."""

from __future__ import annotations

import logging
import traceback
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pytorch_lightning.loggers.logger import Logger

from fovea.training.tracking.trackers import Outcome, RunInfo, Tracker

log = logging.getLogger(__name__)

Done = TypeVar("Done")


class Guarded:
    """A tracker whose failures are warnings; after the first one it is sent nothing more.

    Args:
        tracker: started, told and closed as long as it has not failed.
        name: what a warning calls it.
    """

    def __init__(self, tracker: Tracker, name: str) -> None:
        self._tracker = tracker
        self._name = name
        self._failed = False

    def start(self, info: RunInfo) -> Logger:
        """Return a logger; of a tracker that does not start, one that logs nothing."""
        return _GuardedLogger(self.attempt(lambda: self._tracker.start(info)), self)

    def report(self, outcome: Outcome) -> None:
        self.attempt(lambda: self._tracker.report(outcome))

    def finish(self, exit_code: int) -> None:
        """Close the run, though the tracker has failed: what it has is kept."""
        failed, self._failed = self._failed, False
        self.attempt(lambda: self._tracker.finish(exit_code), quietly=failed)

    def attempt(self, action: Callable[[], Done], *, quietly: bool = False) -> Done | None:
        """Return what an action of the tracker returns; ``None`` where it fails or has failed."""
        if self._failed:
            return None
        try:
            return action()
        except Exception:
            self._failed = True
            if not quietly:
                failure = traceback.format_exc()
                log.warning("%s failed and is sent no more:\n%s", self._name, failure)
            return None


class _GuardedLogger(Logger):
    """What a tracker's logger is to Lightning."""

    def __init__(self, logger: Logger | None, guard: Guarded) -> None:
        super().__init__()
        self._logger = logger
        self._guard = guard

    @property
    def name(self) -> str | None:
        return self._logger.name if self._logger else None

    @property
    def version(self) -> int | str | None:
        return self._logger.version if self._logger else None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._send(lambda logger: logger.log_metrics(dict(metrics), step))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        self._send(lambda logger: logger.log_hyperparams(params))

    def save(self) -> None:
        self._send(lambda logger: logger.save())

    def finalize(self, status: str) -> None:
        self._send(lambda logger: logger.finalize(status))

    def _send(self, action: Callable[[Logger], None]) -> None:
        if (logger := self._logger) is not None:
            self._guard.attempt(lambda: action(logger))
