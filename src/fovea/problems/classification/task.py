"""Image classification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.optim.schedules import Schedule
from fovea.problems.base import Evaluation, Loss, Stepping, Task
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.predictions import Predictions

Batch = tuple[Tensor, Tensor]


class Classification(Task):
    """Trains a classifier and measures it.

    A batch is ``(images, labels)`` of shapes ``(N, C, H, W)`` and ``(N,)``. ``train/accuracy`` is
    of the augmented batches, during training; what is measured of ``val`` and ``test``:
    :class:`~fovea.problems.classification.predictions.ClassPredictions`.

    Args:
        model: maps images to logits ``(N, outputs)``.
        loss: maps logits and labels to a scalar.
        optimizer, schedule, stepping: see :class:`Task`.
        classes: names of the classes in label order.
    """

    predictions: ClassVar[type[Predictions]] = ClassPredictions
    monitor: ClassVar[str] = "accuracy"

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
        stepping: Stepping,
        classes: Sequence[str],
    ) -> None:
        super().__init__(model, optimizer, schedule, stepping)
        self.loss = loss
        self.names = {"classes": tuple(classes)}

    def training_loss(self, batch: Batch) -> Loss:
        images, labels = batch
        logits = self.model(images)
        right = logits.detach().argmax(dim=1) == labels
        return Loss(self.loss(logits, labels), len(labels), {"accuracy": right})

    def evaluate(self, batch: Batch) -> Evaluation:
        images, labels = batch
        logits = self.model(images).float()
        rows = {"label": labels, **self.rows(logits)}
        return Evaluation(rows, Loss(self.loss(logits, labels), len(labels)))

    @classmethod
    def rows(cls, outputs: Tensor) -> Mapping[str, Tensor]:
        """Return class and probabilities of logits ``(N, outputs)``."""
        probabilities = outputs.float().softmax(dim=1)
        return {"prediction": probabilities.argmax(dim=1), "probabilities": probabilities}
