"""Image classification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.models.protocol import check_classifier
from fovea.optim.schedules import Schedule
from fovea.problems.base import DeviceMean, Stepping, Task
from fovea.problems.classification.metrics import classification_metrics

Batch = tuple[Tensor, Tensor]
Stage = Literal["val", "test"]


@dataclass(frozen=True)
class Predictions:
    """What a network said of every sample of a part, in the part's order.

    Args:
        probabilities: float32, ``(N, num_classes)``.
        labels: int64, ``(N,)``.
    """

    probabilities: Tensor
    labels: Tensor


class Classification(Task):
    """Trains a classifier and measures it.

    A training batch is ``(images, labels)`` of shapes ``(N, C, H, W)`` and ``(N,)``. Metrics are
    computed once an epoch, over all of its samples: ``train/loss``, ``train/accuracy`` (of the
    augmented batches, while the weights move), and for ``val`` and ``test`` loss, accuracy, top-5
    accuracy and macro F1. Training stops at the end of an epoch whose loss is not finite.

    Args:
        model: maps images to logits ``(N, num_classes)``.
        loss: maps logits and labels to a scalar.
        optimizer, schedule, stepping: see :class:`Task`.
        classes: names of the classes in label order.

    Raises:
        ConfigError: the network does not promise what a classifier must.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
        stepping: Stepping,
        classes: Sequence[str],
    ) -> None:
        super().__init__(check_classifier(model), optimizer, schedule, stepping)
        self.loss = loss
        self.classes = tuple(classes)
        self.test_predictions: Predictions | None = None
        self._train_loss = DeviceMean()
        self._train_accuracy = DeviceMean()
        self._outputs: list[tuple[Tensor, Tensor]] = []

    def training_loss(self, batch: Batch) -> tuple[Tensor, int]:
        images, labels = batch
        logits = self.model(images)
        loss = self.loss(logits, labels)
        self._train_loss.add(loss, weight=len(labels))
        self._train_accuracy.add(logits.detach().argmax(dim=1) == labels)
        return loss, len(labels)

    def epoch_so_far(self) -> dict[str, Any]:
        sums = {"loss": self._train_loss.state(), "accuracy": self._train_accuracy.state()}
        return super().epoch_so_far() | sums

    def resume_epoch(self, so_far: Mapping[str, Any]) -> None:
        super().resume_epoch(so_far)
        self._train_loss.resume(so_far["loss"])
        self._train_accuracy.resume(so_far["accuracy"])

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        loss = self.trainer.strategy.reduce(self._train_loss.take())  # the same on every rank
        if not loss.isfinite():
            self.trainer.should_stop = True
        self.log("train/loss", loss, prog_bar=True, batch_size=1, sync_dist=True)
        accuracy = self._train_accuracy.take()
        self.log("train/accuracy", accuracy, batch_size=1, sync_dist=True)

    def validation_step(self, batch: Batch) -> None:
        self._evaluate(batch)

    def test_step(self, batch: Batch) -> None:
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        self._measure("val")
        self.log_step()

    def on_test_epoch_end(self) -> None:
        self.test_predictions = self._measure("test")

    def _evaluate(self, batch: Batch) -> None:
        images, labels = batch
        self._outputs.append((self.model(images).float(), labels))

    def _measure(self, stage: Stage) -> Predictions:
        logits, labels = (torch.cat(part) for part in zip(*self._outputs, strict=True))
        self._outputs.clear()
        metrics = classification_metrics(logits.shape[1]).to(logits.device)
        metrics.update(logits, labels)
        loss = self.loss(logits, labels)
        self.log(f"{stage}/loss", loss, sync_dist=True)
        for name, value in metrics.compute().items():
            self.log(f"{stage}/{name}", value, prog_bar=name == "accuracy", sync_dist=True)
        return Predictions(logits.softmax(dim=1).cpu(), labels.cpu())
