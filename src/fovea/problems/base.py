"""What every task shares: the optimizer, its schedule, sums of an epoch, and its predictions."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.data.base import EpochLoader
from fovea.optim.schedules import Schedule, per_step
from fovea.problems.metrics import Metric, measured
from fovea.problems.predictions import Predictions
from fovea.records.quantities import COMMON, Quantity

BURST_SECONDS = 0.1


@dataclass(frozen=True)
class Stepping:
    """How a task steps its optimizer.

    Args:
        accumulate: batches per optimizer step; the last step of an epoch may have fewer.
        gradient_clip: largest norm of the gradient; ``None`` does not clip.
        burst: most steps to a burst, which also ends after ``BURST_SECONDS``.
        plain_backward: the loss needs no scaling and gradients no reduction over devices: Lightning
            is not asked to do it.
    """

    accumulate: int = 1
    gradient_clip: float | None = None
    burst: int = 64
    plain_backward: bool = False


@dataclass(frozen=True)
class Loss:
    """The loss of a batch.

    Args:
        total: what is differentiated, a scalar: a mean over the batch.
        samples: how many samples it is a mean over.
        parts: what else is averaged over the epoch, by name: terms of the total, scalars like it,
            or a value per sample, ``(samples,)``. It is recorded as ``train/NAME``.
    """

    total: Tensor
    samples: int
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What is kept of a batch that is validated or tested.

    Args:
        rows: a value or an array of every sample, by name, the targets included; what
            :class:`~fovea.problems.predictions.Predictions` of the task are made of.
        loss: of the batch; ``None`` where a network has none in evaluation.
    """

    rows: Mapping[str, Tensor]
    loss: Loss | None = None


class Task(LightningModule):
    """A network, its optimizer and its schedule; a subclass adds the loss of its problem.

    A batch is whatever the data's loaders yield: only the subclass looks into it. Losses and their
    parts are means over an epoch's samples, recorded as ``train/loss`` …; what
    :meth:`evaluate` keeps makes the task's predictions, whose metrics are recorded as ``val/…`` and
    ``test/…``. Training stops at the end of an epoch whose loss is not finite.

    Lightning calls :meth:`training_step` for a burst of optimizer steps, not for each: a call costs
    as much as a step of a small network. Hooks of batches (``on_train_batch_end`` …) thus come once
    a burst; ``trainer.global_step`` counts optimizer steps.

    Args:
        model: the network under study.
        optimizer: makes the optimizer of a network.
        schedule: the learning rate's multiplier over training.
        stepping: accumulation, clipping and bursts.

    Attributes:
        predictions: the class of the predictions.
        monitor: the validation metric that says which epoch is best, unless the config names one.
        quantities: of the parts of the loss, if other than those of the predictions.
        names: what the predictions need to know of the data: names of classes, for instance.
        metrics: what else is computed of the predictions, by name.
        tested: the predictions of the last test.
        batches, samples: trained on in the current epoch, by this process. A burst ends with an
            optimizer step, so between bursts they say where in its epoch training stands.
    """

    predictions: ClassVar[type[Predictions]]
    monitor: ClassVar[str] = "loss"
    quantities: ClassVar[Mapping[str, Quantity]] = {}

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
        stepping: Stepping,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.names: Mapping[str, Any] = {}
        self.metrics: Mapping[str, Metric] = {}
        self.tested: Predictions | None = None
        self.batches = self.samples = 0
        self._optimizer = optimizer
        self._schedule = schedule
        self._stepping = stepping
        self._means: dict[str, DeviceMean] = {}
        self._kept: list[Mapping[str, Tensor]] = []
        self._lr = 0.0

    @property
    def all_quantities(self) -> dict[str, Quantity]:
        """What each metric is: those of any problem, of the loss's parts, of the predictions, and
        those that the config adds."""
        own = {**COMMON, **self.quantities, **self.predictions.quantities}
        return own | {name: metric.quantity for name, metric in self.metrics.items()}

    @abstractmethod
    def training_loss(self, batch: Any) -> Loss:
        """Return the loss of a training batch."""

    @abstractmethod
    def evaluate(self, batch: Any) -> Evaluation:
        """Return what is kept of a batch of the validation or the test part."""

    @classmethod
    def rows(cls, outputs: Any) -> Mapping[str, Tensor]:
        """Return what is kept of a network's outputs; targets are not known.

        ``fovea predict`` calls it for samples that are in no data set.
        """
        return {"prediction": outputs}

    def forward(self, *inputs: Any) -> Any:
        return self.model(*inputs)

    def configure_optimizers(self) -> Any:
        optimizer = self._optimizer(self.model)
        epochs = self.trainer.max_epochs or 1
        batches = int(self.trainer.estimated_stepping_batches) // epochs
        scheduler = per_step(
            optimizer,
            self._schedule,
            total_steps=ceil(batches / self._stepping.accumulate) * epochs,
            epochs=epochs,
        )
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def on_train_epoch_start(self) -> None:
        self.batches = self.samples = 0
        loader: Any = self.trainer.train_dataloader
        if isinstance(loader, EpochLoader):
            loader.set_epoch(self.current_epoch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        means = {name: mean.state() for name, mean in self._means.items()}
        so_far = {
            "batches": self.batches, "samples": self.samples, "means": means, "lr": self._lr
        }  # fmt: skip
        checkpoint["epoch_so_far"] = so_far

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        so_far = checkpoint["epoch_so_far"]
        self.batches, self.samples = so_far["batches"], so_far["samples"]
        self._lr = so_far["lr"]
        for name, state in so_far["means"].items():
            self._mean(name).resume(state)

    def training_step(self, dataloader_iter: Any) -> None:
        optimizer: Any = self.optimizers()
        scheduler: Any = self.lr_schedulers()
        accumulate = self._stepping.accumulate
        backward = Tensor.backward if self._stepping.plain_backward else self.manual_backward
        until = time.perf_counter() + BURST_SECONDS
        # The first step stands alone: what waits for it (the tracker) is started after it.
        steps = self._stepping.burst if self.trainer.global_step else 1
        while steps:
            batch, _, _ = next(dataloader_iter)
            loss = self.training_loss(batch)
            self._add("train", loss)
            self.batches += 1
            self.samples += loss.samples
            # Lightning's autocast spans the burst; it is meant for the forward pass only, and
            # keeps the weights it has cast.
            with torch.autocast(self.device.type, enabled=False):
                backward(loss.total / accumulate if accumulate > 1 else loss.total)
                if stepping := self.batches % accumulate == 0 or dataloader_iter.done:
                    if short := self.batches % accumulate:
                        self._scale_gradients(accumulate / short)
                    self._lr = optimizer.param_groups[0]["lr"]
                    optimizer.step()
                    optimizer.zero_grad()
                    scheduler.step()
                    steps -= 1
            torch.clear_autocast_cache()
            if dataloader_iter.done or (stepping and time.perf_counter() > until):
                return

    def _scale_gradients(self, factor: float) -> None:
        for weights in self.model.parameters():
            if weights.grad is not None:
                weights.grad.mul_(factor)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if (norm := self._stepping.gradient_clip) is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), norm)

    def on_train_epoch_end(self) -> None:
        self.log("lr", self._lr, batch_size=1, sync_dist=True)  # of its last step
        self.log_step()
        loss = self.trainer.strategy.reduce(self._means["train/loss"].mean())  # of all ranks
        if not loss.isfinite():
            self.trainer.should_stop = True
        self.log("train/loss", loss, prog_bar=True, batch_size=1, sync_dist=True)
        self._log_means("train", but="train/loss")

    def validation_step(self, batch: Any) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: Any) -> None:
        self._evaluate("test", batch)

    def on_validation_epoch_end(self) -> None:
        self._measure("val")
        self.log_step()

    def on_test_epoch_end(self) -> None:
        self.tested = self._measure("test")

    def log_step(self) -> None:
        """Tell loggers which step, and epoch from 1, metrics are of; Lightning counts calls."""
        position = {"step": self.trainer.global_step - 1.0, "epoch": self.current_epoch + 1.0}
        self.log_dict(position, batch_size=1, sync_dist=True)

    def _evaluate(self, stage: str, batch: Any) -> None:
        kept = self.evaluate(batch)
        self._kept.append(kept.rows)
        if kept.loss is not None:
            self._add(stage, kept.loss)

    def _measure(self, stage: str) -> Predictions:
        """Log the metrics of a part, and return its predictions; those of all ranks."""
        kept = [{name: on_host(each) for name, each in rows.items()} for rows in self._kept]
        self._kept.clear()
        if self.trainer.world_size > 1:
            shares: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(shares, kept)
            kept = [rows for share in shares for rows in share]
        rows = {name: np.concatenate([each[name] for each in kept]) for name in kept[0]}
        made = self.predictions(rows, self.names)
        self._log_means(stage)
        for name, value in (made.metrics() | measured(self.metrics, made)).items():
            self.log(f"{stage}/{name}", value, prog_bar=name == self.monitor, batch_size=1)
        return made

    def _add(self, stage: str, loss: Loss) -> None:
        self._mean(f"{stage}/loss").add(loss.total, weight=loss.samples)
        for name, part in loss.parts.items():
            self._mean(f"{stage}/{name}").add(part, weight=1 if part.ndim else loss.samples)

    def _mean(self, name: str) -> DeviceMean:
        return self._means.setdefault(name, DeviceMean())

    def _log_means(self, stage: str, but: str = "") -> None:
        for name in [each for each in self._means if each.startswith(f"{stage}/")]:
            mean = self._means.pop(name)
            if name != but:
                self.log(name, mean.mean(), batch_size=1, sync_dist=True)


def on_host(values: Tensor) -> NDArray[Any]:
    """Return a tensor as an array; bfloat16, which NumPy lacks, as float32."""
    values = values.detach()
    return (values.float() if values.dtype == torch.bfloat16 else values).cpu().numpy()


class DeviceMean:
    """A running mean that stays on the device until it is read, so that no step waits for it."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._count = 0

    def add(self, values: Tensor, weight: int = 1) -> None:
        """Add values of any shape; ``weight`` samples stand behind each."""
        total = values.detach().sum(dtype=torch.promote_types(values.dtype, torch.float32))
        if self._sum is None:
            self._sum = torch.zeros_like(total)
        self._sum = self._sum.to(total.device)  # moves after a resume only
        self._sum.add_(total, alpha=weight)
        self._count += weight * values.numel()

    def state(self) -> tuple[Tensor | None, int]:
        """Return the sum, on the CPU, and the count so far."""
        return None if self._sum is None else self._sum.cpu(), self._count

    def resume(self, state: tuple[Tensor | None, int]) -> None:
        """Take up a sum and a count."""
        self._sum, self._count = state

    def mean(self) -> Tensor:
        """Return the mean.

        Raises:
            ValueError: nothing was added.
        """
        if self._sum is None:
            raise ValueError("mean of no values")
        return self._sum / self._count
