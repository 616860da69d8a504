"""How a run is executed: the ``trainer`` config group."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, EMAWeightAveraging
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from fovea.config.errors import ConfigError
from fovea.config.types import (
    Fraction,
    NoLongerAuto,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Processes,
    Unscientific,
)
from fovea.problems.base import Stepping, Task
from fovea.records.quantities import Quantity, quantity_of
from fovea.training.checkpoints import Watched, require_measured
from fovea.training.local import LocalProcesses, ThisMachine
from fovea.training.tracking.environment import hardware_class, has_fast_bfloat16
from fovea.training.tracking.progress import ProgressBar

_START_METHODS: dict[str, Literal["spawn", "fork"]] = {"ddp_spawn": "spawn", "ddp_notebook": "fork"}
_LESS_THAN_A_SAMPLE = 1e-7  # of a share: Lightning stops beyond a threshold, not at it


class _Stopping(EarlyStopping):
    """Lightning's, with one line where nothing measures its metric.

    Args:
        key: of the config that names the metric.
        metric, options: Lightning's.
    """

    def __init__(self, key: str, metric: str, **options: Any) -> None:
        super().__init__(metric, **options)
        self._key = key

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.monitor.startswith("train/"):
            require_measured(trainer, self._key, self.monitor)
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.monitor.startswith("train/"):
            require_measured(trainer, self._key, self.monitor)
        super().on_train_epoch_end(trainer, pl_module)


def _mode(quantity: Quantity) -> Literal["min", "max"]:
    return "min" if quantity.better == "lower" else "max"


@dataclass(frozen=True)
class TrainerSettings:
    """Lightning's trainer as fovea uses it.

    Args:
        accelerator, devices: Lightning's.
        strategy: Lightning's; ``auto`` starts a process for each device (``ddp_spawn``).
        precision: ``auto`` is ``bf16-mixed`` where the hardware multiplies bfloat16, else ``32``.
        channels_last: NHWC memory format of weights and batches.
        compile: take training steps through ``torch.compile``.
        deterministic: deterministic kernels only; matters on a GPU, CPU runs are so anyway.
        gradient_clip: largest norm of the gradient; ``None`` does not clip.
        accumulate: batches per optimizer step.
        ema_decay: keep an exponential moving average of the weights, and validate and test with
            it; ``None`` does not.
        monitor: the validation metric that says which epoch is best, for instance ``val/loss``;
            ``auto`` is the task's.
        patience: stop after so many epochs without a better one; ``None`` never.
        stop: ``{metric, value}``: stop after the first epoch in which a metric is as good as a
            value. Metrics of ``train/`` are running averages during training. ``None`` never.
        limit_batches: batches per epoch and part, for trying things out; ``None`` is all.
        progress_bar: ``auto`` shows one in a terminal, and none in CI or a log file; worker
            processes show none.
        threads: CPU threads of torch; ``None`` leaves torch's choice.
        checkpoint_seconds: a run that is killed loses no more than so many seconds, and a step.
    """

    accelerator: Unscientific[Literal["auto", "cpu", "gpu", "cuda", "mps"]] = "auto"
    devices: Processes = 1
    strategy: Unscientific[str] = "auto"
    precision: Literal["auto", 32, "bf16-mixed", "16-mixed", 64] = "auto"
    channels_last: bool = True
    compile: Unscientific[NoLongerAuto] = False
    deterministic: bool = False
    gradient_clip: PositiveFloat | None = None
    accumulate: PositiveInt = 1
    ema_decay: Fraction | None = None
    monitor: str = "auto"
    patience: PositiveInt | None = None
    stop: Any = None  # checked by config/schema.py, which says what it should be
    limit_batches: PositiveInt | None = None
    progress_bar: Unscientific[Literal["auto", "on", "off"]] = "auto"
    threads: Unscientific[Processes | None] = None
    checkpoint_seconds: Unscientific[NonNegativeFloat] = 30.0

    @property
    def resolved_precision(self) -> str:
        """What ``precision`` means on this machine."""
        if self.precision != "auto":
            return str(self.precision)
        return "bf16-mixed" if has_fast_bfloat16(self._resolved_accelerator) else "32"

    @property
    def resolved_hardware(self) -> str:
        """The class of what trains, as :func:`hardware_class` returns it."""
        return hardware_class(self._resolved_accelerator)

    @property
    def _resolved_accelerator(self) -> str:
        """What ``accelerator`` means on this machine."""
        if self.accelerator in ("auto", "gpu"):
            if torch.cuda.is_available():
                return "cuda"
            if torch.backends.mps.is_available():
                return "mps"
        return "cpu" if self.accelerator == "auto" else self.accelerator

    @property
    def resolved_strategy(self) -> str:
        """What ``strategy`` means for so many devices.

        Not ``ddp``, which starts the command again in each process and would repeat a whole sweep,
        nor ``ddp_notebook``, whose forks hang once this process has used several threads or CUDA.
        """
        return "ddp_spawn" if self.strategy == "auto" and self.devices > 1 else self.strategy

    @property
    def stepping(self) -> Stepping:
        """How the task steps its optimizer under these settings."""
        # Weights are averaged once a call, and ranks must call as often as each other.
        one_by_one = self.ema_decay is not None or self.devices > 1
        return Stepping(
            self.accumulate,
            self.gradient_clip,
            burst=1 if one_by_one else Stepping.burst,
            plain_backward=self.resolved_strategy == "auto" and self.precision != "16-mixed",
        )

    def as_recorded(self, resolved: Mapping[str, Any]) -> TrainerSettings:
        """Return the same settings, resolved as they were for a recorded run.

        Args:
            resolved: of its ``environment.json``; what it lacks is resolved for this machine.
        """
        precision: Any = resolved.get("precision") or self.precision
        return replace(self, precision=precision, compile=resolved.get("compile", self.compile))

    def single_device(self) -> TrainerSettings:
        """Return the same settings on one device."""
        return replace(self, devices=1, strategy="auto")

    def watched(self, task: Task) -> Watched:
        """Return the metric that says which epoch of a task's is best."""
        metric = f"val/{task.monitor}" if self.monitor == "auto" else self.monitor
        return Watched(metric, quantity_of(metric, task.all_quantities))

    def callbacks(self, task: Task) -> list[Callback]:
        """Return what averages the weights and stops early."""
        chosen: list[Callback] = []
        if self.ema_decay is not None:
            chosen.append(EMAWeightAveraging(decay=self.ema_decay))
        if self.patience is not None:
            watched = self.watched(task)
            mode = _mode(watched.quantity)
            chosen.append(
                _Stopping("trainer.monitor", watched.metric, mode=mode, patience=self.patience)
            )
        if self.stop is not None:
            mode = _mode(quantity_of(self.stop["metric"], task.all_quantities))
            nearer = -_LESS_THAN_A_SAMPLE if mode == "max" else _LESS_THAN_A_SAMPLE
            chosen.append(
                _Stopping(
                    "trainer.stop",
                    self.stop["metric"],
                    mode=mode,
                    patience=sys.maxsize,
                    stopping_threshold=self.stop["value"] + nearer,
                    check_on_train_epoch_end=self.stop["metric"].startswith("train/"),
                )
            )
        return chosen

    def reached(self, row: Mapping[str, float], task: Task) -> bool | None:
        """Whether an epoch is as good as ``stop`` asks; ``None`` where it asks nothing."""
        if self.stop is None:
            return None
        metric, value = self.stop["metric"], self.stop["value"]
        if _mode(quantity_of(metric, task.all_quantities)) == "max":
            return row[metric] > value - _LESS_THAN_A_SAMPLE
        return row[metric] < value + _LESS_THAN_A_SAMPLE

    def trainer(
        self, *, epochs: int, loggers: list[Logger] | bool, callbacks: list[Callback]
    ) -> Trainer:
        """Return Lightning's trainer.

        Raises:
            ConfigError: it refuses the settings, for instance for want of the devices, or would
                train in another precision than is asked for.
        """
        bar = parent_process() is None and (
            self.progress_bar == "on"
            or (self.progress_bar == "auto" and sys.stderr.isatty() and not os.environ.get("CI"))
        )
        precision: Any = self.resolved_precision
        if precision == "16-mixed" and self._resolved_accelerator == "cpu":
            raise ConfigError(
                "trainer.precision=16-mixed: a CPU would compute in bfloat16; "
                "set trainer.precision=bf16-mixed or 32"
            )
        limit = self.limit_batches or 1.0
        method = _START_METHODS.get(self.resolved_strategy)
        try:
            return Trainer(
                accelerator=self.accelerator,
                devices=self.devices,
                strategy=LocalProcesses(method, self.threads) if method else self.resolved_strategy,
                plugins=[ThisMachine()],
                precision=precision,
                deterministic=self.deterministic,
                max_epochs=epochs,
                logger=loggers,
                callbacks=[*callbacks, *([ProgressBar()] if bar else [])],
                enable_checkpointing=False,  # Checkpoints does it
                enable_progress_bar=bar,
                enable_model_summary=False,
                limit_train_batches=limit,
                limit_val_batches=limit,
                limit_test_batches=limit,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,  # the data module shards by rank itself
                log_every_n_steps=0,  # metrics are of epochs; Lightning logs those all the same
            )
        except (MisconfigurationException, ValueError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(f"trainer.accelerator={self.accelerator}: {reason}") from error
