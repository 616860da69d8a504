"""Classification, of whatever a network maps to logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.config.errors import ConfigError
from fovea.config.types import NonNegativeFloat
from fovea.optim.schedules import Schedule
from fovea.problems.base import Evaluation, Loss, Stepping, Task
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.outputs import named_outputs
from fovea.problems.predictions import Predictions

Batch = tuple[Tensor, Tensor]


class Classification(Task):
    """Trains a classifier and measures it.

    What is trained is loss(logits) + ``aux_weight`` · Σ loss(auxiliary output), over the outputs
    that the network returns by name beside its ``logits``; the loss of each is recorded as
    ``train/loss_NAME``. Everything but training reads the logits alone.

    A batch is ``(inputs, labels)`` of shapes ``(N, …)`` and ``(N,)``; inputs are images, or numbers
    of words. ``train/accuracy`` is of the augmented batches, during training; what is measured of
    ``val`` and ``test``: :class:`~fovea.problems.classification.predictions.ClassPredictions`.

    Args:
        model: maps inputs to logits ``(N, outputs)``, or to tensors of that shape by name, of which
            one is called ``logits``; see :func:`~fovea.problems.outputs.named_outputs`.
        loss: maps logits and labels to a scalar.
        optimizer, schedule, stepping: see :class:`Task`.
        classes: names of the classes in label order.
        aux_weight: of each auxiliary loss; Szegedy et al. 2015, "Going deeper with convolutions",
            section 5.
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
        aux_weight: NonNegativeFloat = 0.3,
    ) -> None:
        super().__init__(model, optimizer, schedule, stepping)
        self.loss = loss
        self.aux_weight = aux_weight
        self.names = {"classes": tuple(classes)}

    def training_loss(self, batch: Batch) -> Loss:
        inputs, labels = batch
        outputs = named_outputs(self.model(inputs), "logits")
        logits = outputs.pop("logits")
        total = self.loss(logits, labels)
        parts = {"accuracy": logits.detach().argmax(dim=1) == labels}
        for name, output in outputs.items():
            if output.shape != logits.shape:
                raise ConfigError(
                    f"model: the network returns '{name}' of shape {tuple(output.shape)} beside "
                    f"logits of shape {tuple(logits.shape)}; auxiliary outputs have the same"
                )
            parts[f"loss_{name}"] = loss = self.loss(output, labels)
            total = total + self.aux_weight * loss
        return Loss(total, len(labels), parts)

    def evaluate(self, batch: Batch) -> Evaluation:
        inputs, labels = batch
        logits = named_outputs(self.model(inputs), "logits")["logits"].float()
        rows = {"label": labels, **self.rows(logits)}
        return Evaluation(rows, Loss(self.loss(logits, labels), len(labels)))

    @classmethod
    def rows(cls, outputs: Any) -> Mapping[str, Tensor]:
        """Return class and probabilities of what the network returns."""
        logits = named_outputs(outputs, "logits")["logits"]
        probabilities = logits.float().softmax(dim=1)
        return {"prediction": probabilities.argmax(dim=1), "probabilities": probabilities}
