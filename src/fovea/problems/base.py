"""What every task shares: the optimizer, its schedule, and losses summed on the device."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.optim.schedules import Schedule, per_step

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


class Task(LightningModule):
    """A network, its optimizer and its schedule; a subclass adds the loss of its problem.

    Lightning calls :meth:`training_step` for a burst of optimizer steps, not for each: a call costs
    as much as a step of a small network. Hooks of batches (``on_train_batch_end`` …) thus come once
    a burst; ``trainer.global_step`` counts optimizer steps.

    Args:
        model: the network under study.
        optimizer: makes the optimizer of a network.
        schedule: the learning rate's multiplier over training.
        stepping: accumulation, clipping and bursts.

    Attributes:
        batches, samples: trained on in the current epoch, by this process. A burst ends with an
            optimizer step, so between bursts they say where in its epoch training stands.
    """

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
        self.batches = self.samples = 0
        self._optimizer = optimizer
        self._schedule = schedule
        self._stepping = stepping

    def forward(self, images: Tensor) -> Any:
        return self.model(images)

    @abstractmethod
    def training_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Return the loss of a training batch, and its number of samples."""

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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch_so_far"] = self.epoch_so_far()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.resume_epoch(checkpoint["epoch_so_far"])

    def epoch_so_far(self) -> dict[str, Any]:
        """Return the counts and sums of the current epoch; a subclass adds its own."""
        return {"batches": self.batches, "samples": self.samples}

    def resume_epoch(self, so_far: Mapping[str, Any]) -> None:
        """Take up the counts and sums of an epoch that was interrupted."""
        self.batches, self.samples = so_far["batches"], so_far["samples"]

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
            loss, samples = self.training_loss(batch)
            self.batches += 1
            self.samples += samples
            # Lightning's autocast spans the burst; it is meant for the forward pass only, and
            # keeps the weights it has cast.
            with torch.autocast(self.device.type, enabled=False):
                backward(loss / accumulate if accumulate > 1 else loss)
                if stepping := self.batches % accumulate == 0 or dataloader_iter.done:
                    optimizer.step()
                    optimizer.zero_grad()
                    scheduler.step()
                    steps -= 1
            torch.clear_autocast_cache()
            if dataloader_iter.done or (stepping and time.perf_counter() > until):
                return

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if (norm := self._stepping.gradient_clip) is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), norm)

    def on_train_epoch_end(self) -> None:
        lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log("lr", lr, batch_size=1, sync_dist=True)
        self.log_step()

    def log_step(self) -> None:
        """Tell loggers which optimizer step this epoch's metrics are of; Lightning counts calls."""
        position = {"step": self.trainer.global_step - 1.0, "epoch": float(self.current_epoch)}
        self.log_dict(position, batch_size=1, sync_dist=True)


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

    def take(self) -> Tensor:
        """Return the mean and start anew.

        Raises:
            ValueError: nothing was added.
        """
        if self._sum is None:
            raise ValueError("mean of no values")
        mean = self._sum / self._count
        self._sum, self._count = None, 0
        return mean
