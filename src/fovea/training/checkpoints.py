"""Checkpoints: the best weights, and all that a training needs to go on as if never interrupted.

``last.ckpt`` holds weights, optimizer, schedule, weight average, history, random states, and where
in its epoch the training stood. On a CPU a resumed run ends with the same bits as one that was not
interrupted.

Until the training is complete ``last.ckpt`` also holds the best weights so far; ``best.ckpt`` is
written then. So a run that was killed goes on from one moment, and never with the weights of epochs
that it will train again and, on a GPU, not to the same bits.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

from fovea.config.errors import ConfigError
from fovea.data.base import EpochLoader
from fovea.problems.base import Task
from fovea.records.quantities import Quantity
from fovea.training.tracking.history import History


@dataclass(frozen=True)
class Watched:
    """The metric that says which epoch is best, and what it is."""

    metric: str
    quantity: Quantity


def require_measured(trainer: Trainer, key: str, metric: str) -> None:
    """Make sure that a metric which a config names is measured.

    Raises:
        ConfigError: it is not, in training or in validation.
    """
    found = trainer.callback_metrics
    if metric not in found:
        known = ", ".join(sorted(name for name in found if "/" in name))
        raise ConfigError(f"{key}: '{metric}' is not measured here (measured: {known})")


class Checkpoints(Callback):
    """Saves ``last.ckpt`` every so often, and ``best.ckpt``, weights only, at the end.

    SIGINT and SIGTERM end a training before its next step, with a ``last.ckpt`` of that moment; a
    second one ends it at once. On several devices a training is resumed from the start of an epoch,
    and its random states are those of new processes; so it is, on one, where the loader is no
    :class:`~fovea.data.base.EpochLoader`.

    It must come after the callbacks whose state changes with a step.

    Args:
        folder: where they go.
        watched: what is best.
        history: kept in them, so that no epoch is missing or told twice after a resume.
        every: least seconds from one ``last.ckpt`` to the next; the last step is always saved.
        earlier: seconds the run has taken before.
    """

    def __init__(
        self,
        folder: Path,
        history: History,
        *,
        watched: Watched,
        every: float,
        earlier: float = 0.0,
    ) -> None:
        self.interrupted_by: signal.Signals | None = None
        self._folder = folder
        self._history = history
        self._watched = watched
        self._every = every
        self._earlier = earlier
        self._best: float | None = None
        self._best_weights: dict[str, Any] | None = None  # a checkpoint of the process that saves
        self._random: dict[str, Any] | None = None
        self._complete = False
        self._started = self._saved = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = time.monotonic()
        if self._random is not None:
            if trainer.world_size == 1:
                _set_random_states(self._random)
            loader: Any = trainer.train_dataloader
            if isinstance(loader, EpochLoader):
                loader.set_epoch(trainer.current_epoch, cast("Task", pl_module).batches)
        # Lightning's handlers, set before this, are put back to what they were at its teardown.
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            for each in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(each) is not signal.SIG_IGN:  # workers: the parent interrupts
                    signal.signal(each, self._interrupt)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Everything of the last step, and of the last epoch, is done and logged by now.
        # Ranks must agree; and a loader that cannot start within an epoch has to start with it.
        if trainer.world_size > 1 or not isinstance(trainer.train_dataloader, EpochLoader):
            due = cast("Task", pl_module).batches == 0
        else:
            due = self.interrupted_by or time.monotonic() - self._saved > self._every
        if due and trainer.global_step:
            self._save_last(trainer)
        self.stop_if_interrupted()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        require_measured(trainer, "trainer.monitor", self._watched.metric)
        score = trainer.callback_metrics[self._watched.metric]
        if self._best is None or self._watched.quantity.is_better(float(score), self._best):
            self._best = float(score)
            if trainer.is_global_zero:
                self._best_weights = {
                    "epoch": trainer.current_epoch,
                    "global_step": trainer.global_step,
                    "state_dict": _copy_of_weights(trainer, pl_module),
                }

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._best_weights is not None:
            unfinished = _unfinished(self._folder / "best.ckpt")
            torch.save(self._best_weights, unfinished)
            _put(unfinished, self._folder / "best.ckpt")
        self._complete, self._best_weights = True, None
        self._save_last(trainer)

    def stop_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt if a signal asked for it."""
        if self.interrupted_by is not None:
            raise KeyboardInterrupt(self.interrupted_by.name)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["fovea"] = {
            "best": self._best,
            "best_weights": self._best_weights,
            "complete": self._complete,
            "history": list(self._history.rows.values()),
            "random": _random_states(),
            "seconds": self._earlier + time.monotonic() - self._started,
        }
        _place(checkpoint["loops"]["fit_loop"], trainer.current_epoch, cast("Task", pl_module))

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        own = checkpoint["fovea"]
        self._best, self._random = own["best"], own["random"]
        if trainer.is_global_zero:
            self._best_weights = own["best_weights"]

    def _interrupt(self, signum: int, _: Any) -> None:
        if self.interrupted_by is not None:
            raise KeyboardInterrupt(self.interrupted_by.name)
        self.interrupted_by = signal.Signals(signum)

    def _save_last(self, trainer: Trainer) -> None:
        file = self._folder / "last.ckpt"
        trainer.save_checkpoint(_unfinished(file))
        if trainer.is_global_zero:
            _put(_unfinished(file), file)
        self._saved = time.monotonic()


def _place(loop: dict[str, Any], epoch: int, task: Task) -> None:
    """Tell Lightning's loops that ``epoch`` has as many batches behind it as the task has seen.

    Their own counters are of bursts; and from one taken between two epochs they validate anew.
    """
    epochs = {"ready": epoch + 1, "started": epoch + 1, "processed": epoch, "completed": epoch}
    batches = dict.fromkeys(("ready", "started", "processed", "completed"), task.batches)
    loop["epoch_progress"] = {"total": epochs, "current": dict(epochs)}
    loop["epoch_loop.batch_progress"] = {
        "total": batches,
        "current": dict(batches),
        "is_last_batch": False,
    }


def _unfinished(file: Path) -> Path:
    """Return where a checkpoint is written: a crash leaves the old one or the new, whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.with_name(f".{file.name}")


def _put(unfinished: Path, file: Path) -> None:
    """Have a checkpoint that was written take its place."""
    with unfinished.open("rb") as stream:
        os.fsync(stream.fileno())
    unfinished.replace(file)


def _copy_of_weights(trainer: Trainer, module: LightningModule) -> dict[str, Any]:
    """Return the state dict of what was validated, on the CPU: the average where there is one."""
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict()}
    for callback in cast("Any", trainer).callbacks:
        if isinstance(callback, WeightAveraging):
            callback.on_save_checkpoint(trainer, module, checkpoint)
    return {
        name: value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value
        for name, value in checkpoint["state_dict"].items()
    }


def _random_states() -> dict[str, Any]:
    """Return the states of the global generators, as what a checkpoint may hold."""
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (np.asarray(keys).tolist(), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def _set_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    np.random.set_state(("MT19937", *states["numpy"]))
    random.setstate(states["python"])
