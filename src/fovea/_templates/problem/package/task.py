"""What a batch costs, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.optim.schedules import Schedule
from fovea.problems.base import Evaluation, Loss, Stepping, Task
from fovea.problems.predictions import Predictions

from .predictions import SeriesPredictions

Batch = tuple[Tensor, Tensor]


class SeriesTask(Task):
    """Trains a network that maps series ``(N, length)`` to numbers ``(N,)``.

    Args:
        model: the network.
        loss: maps predictions and targets to a scalar, a mean.
        optimizer, schedule, stepping: the run's.
    """

    predictions: ClassVar[type[Predictions]] = SeriesPredictions
    monitor: ClassVar[str] = "mae"

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
        stepping: Stepping,
    ) -> None:
        super().__init__(model, optimizer, schedule, stepping)
        self.loss = loss

    def training_loss(self, batch: Batch) -> Loss:
        series, targets = batch
        return Loss(self.loss(self.model(series), targets), len(targets))

    def evaluate(self, batch: Batch) -> Evaluation:
        series, targets = batch
        predicted = self.model(series).float()
        rows = {"target": targets, "prediction": predicted}
        return Evaluation(rows, Loss(self.loss(predicted, targets), len(targets)))
