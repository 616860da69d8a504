"""What every task shares: the optimizer, its schedule, and losses summed on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.optim.schedules import Schedule, per_step


class Task(LightningModule):
    """A network, its optimizer and its schedule.

    Args:
        model: the network under study.
        optimizer: makes the optimizer of a network.
        schedule: the learning rate's multiplier over training.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
    ) -> None:
        super().__init__()
        self.model = model
        self._optimizer = optimizer
        self._schedule = schedule

    def forward(self, images: Tensor) -> Any:
        return self.model(images)

    def configure_optimizers(self) -> Any:
        optimizer = self._optimizer(self.model)
        scheduler = per_step(
            optimizer,
            self._schedule,
            total_steps=int(self.trainer.estimated_stepping_batches),
            epochs=self.trainer.max_epochs or 1,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_epoch_end(self) -> None:
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], sync_dist=True)


class DeviceMean:
    """A running mean that stays on the device until it is read, so that no step waits for it."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._count = 0

    def add(self, values: Tensor, weight: int = 1) -> None:
        """Add values of any shape; ``weight`` samples stand behind each."""
        total = weight * values.detach().sum(dtype=torch.float32)
        self._sum = total if self._sum is None else self._sum + total
        self._count += weight * values.numel()

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
