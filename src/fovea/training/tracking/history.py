"""The history of a run, one row an epoch, and how fast it went."""

from __future__ import annotations

import logging
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from fovea.problems.base import Task
from fovea.records import RunFolder

log = logging.getLogger(__name__)


class History(Logger):
    """Keeps ``history.csv``: Lightning's metrics, merged to one row per epoch.

    Args:
        run: the record it belongs to.
        earlier: rows of the epochs from before an interruption.
    """

    def __init__(self, run: RunFolder, earlier: Sequence[dict[str, float]] = ()) -> None:
        super().__init__()
        self.rows = {int(row["epoch"]): dict(row) for row in earlier}
        self._run = run

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> str:
        return self._run.id

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        epoch = int(metrics["epoch"])
        values = {key: float(value) for key, value in metrics.items() if key != "epoch"}
        row = self.rows.setdefault(epoch, {"epoch": epoch, "step": 0})
        row.update(values)
        row["step"] = max(row["step"], (step or 0) + 1)
        if "train/loss" in values:  # what comes last of an epoch
            shown = [key for key in row if "/" in key or key == "seconds"]
            text = "  ".join(f"{key} {row[key]:.4f}" for key in shown)
            log.info("epoch %d: %s", epoch, text)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Nothing to do: the config is a file of the record already."""

    @rank_zero_only
    def save(self) -> None:
        self._run.write_history([self.rows[epoch] for epoch in sorted(self.rows)])

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()


def replay(rows: Iterable[Mapping[str, float]], logger: Logger) -> None:
    """Send a history to a logger that was not there while it was made."""
    for row in rows:
        metrics = {key: value for key, value in row.items() if key != "step"}
        logger.log_metrics(metrics, step=int(row["step"]) - 1)


class Stopwatch(Callback):
    """Logs the seconds each epoch trained, validation apart, and its training samples per second.

    Args:
        origin: the moment of ``time.perf_counter`` from which ``startup_seconds``, to the end of
            the first optimizer step, are counted.
        after_first_step: called then, once, off the clock: what the first step need not wait for.
    """

    def __init__(
        self, origin: float = 0.0, after_first_step: Callable[[Trainer], None] | None = None
    ) -> None:
        self.startup_seconds: float | None = None
        self._origin = origin
        self._after_first_step = after_first_step
        self._started = 0.0
        self._trained: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds of the current epoch so far."""
        return {"seconds": time.perf_counter() - self._started}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._started = -state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started += time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trained = None
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.startup_seconds is None and trainer.global_step:
            stopped = time.perf_counter()
            self.startup_seconds = round(stopped - self._origin, 3)
            if self._after_first_step is not None:
                self._after_first_step(trainer)
            self._started += time.perf_counter() - stopped

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trained = time.perf_counter() - self._started

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seconds = self._trained or time.perf_counter() - self._started
        assert isinstance(pl_module, Task)
        samples = pl_module.samples * trainer.world_size
        pl_module.log("seconds", seconds, batch_size=1, sync_dist=True)
        pl_module.log("samples_per_second", samples / seconds, batch_size=1, sync_dist=True)
