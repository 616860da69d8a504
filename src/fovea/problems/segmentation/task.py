"""Semantic segmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.augment.joint import IGNORED
from fovea.config.errors import ConfigError
from fovea.config.types import NonNegativeFloat
from fovea.optim.schedules import Schedule
from fovea.problems.base import Evaluation, Loss, Stepping, Task
from fovea.problems.outputs import named_outputs
from fovea.problems.predictions import Predictions
from fovea.problems.segmentation.predictions import SegmentationPredictions
from fovea.problems.segmentation.rand import rand_error

Batch = tuple[Tensor, ...]


class Segmentation(Task):
    """Trains a network that gives every pixel a class.

    What is trained is loss(``out``) + ``aux_weight`` · Σ loss(auxiliary output), over the outputs
    that the network returns by name beside ``out``, as torchvision's do; the loss of each is
    recorded as ``train/loss_NAME``. Everything but training reads ``out`` alone.

    A batch is ``(images, masks)`` of shapes ``(N, C, H, W)`` and ``(N, H, W)``, int64, with 255
    where there is no class; a training batch may have the weights of the pixels, ``(N, H, W)``, as
    its third. A network whose maps are smaller than its input is trained and measured on the
    centre of the masks.

    Args:
        model: maps images to logits ``(N, outputs, h, w)``, or to such by name, one called ``out``.
        loss: maps logits, masks and, where there are any, weights to a scalar.
        optimizer, schedule, stepping: see :class:`Task`.
        classes: names of the classes in label order.
        objects: the label whose connected components are objects, for the Rand error; ``None`` has
            none.
        aux_weight: of each auxiliary loss; 0.5 in torchvision's training of its networks.
    """

    predictions: ClassVar[type[Predictions]] = SegmentationPredictions
    monitor: ClassVar[str] = "miou"

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
        stepping: Stepping,
        classes: Sequence[str],
        objects: int | None = None,
        aux_weight: NonNegativeFloat = 0.5,
    ) -> None:
        super().__init__(model, optimizer, schedule, stepping)
        self.loss = loss
        self.objects = objects
        self.aux_weight = aux_weight
        self.names = {"classes": tuple(classes)}

    def training_loss(self, batch: Batch) -> Loss:
        images, *targets = batch
        outputs = _outputs(self.model(images))
        logits = outputs.pop("out")
        targets = [_centre(each, logits) for each in targets]
        total = self.loss(logits, *targets)
        masks = targets[0]
        known = masks != IGNORED
        right = (logits.detach().argmax(dim=1) == masks) & known
        accuracy = right.sum((1, 2)) / known.sum((1, 2)).clamp_min(1)
        parts = {"pixel_accuracy": accuracy}
        for name, output in outputs.items():
            parts[f"loss_{name}"] = loss = self.loss(
                output, *(_centre(each, output) for each in targets)
            )
            total = total + self.aux_weight * loss
        return Loss(total, len(images), parts)

    def evaluate(self, batch: Batch) -> Evaluation:
        images, masks = batch
        logits = _outputs(self.model(images))["out"].float()
        masks = _centre(masks, logits)
        predicted = logits.argmax(dim=1)
        rows = count_pixels(masks, predicted, logits.shape[1])
        if self.objects is not None:
            rows["rand_error"] = self._rand_errors(masks, predicted)
        return Evaluation(rows, Loss(self.loss(logits, masks), len(images)))

    @classmethod
    def rows(cls, outputs: Any) -> Mapping[str, Tensor]:
        """Return the labels ``(N, h, w)`` of what the network returns."""
        return {"mask": _outputs(outputs)["out"].argmax(dim=1).to(torch.uint8)}

    def _rand_errors(self, masks: Tensor, predicted: Tensor) -> Tensor:
        pairs = zip(masks.cpu().numpy(), predicted.cpu().numpy(), strict=True)
        return torch.tensor(
            [
                rand_error(mask == self.objects, (found == self.objects) & (mask != IGNORED))
                for mask, found in pairs
            ]
        )


def count_pixels(masks: Tensor, predicted: Tensor, classes: int) -> dict[str, Tensor]:
    """Count the pixels of each class in each sample; those that are ignored are not counted.

    Args:
        masks, predicted: int64 ``(N, H, W)``; what is predicted is below ``classes``.
        classes: of the network.

    Returns:
        int64 ``(N, classes)``: ``target``, ``predicted``, and the ``intersection`` of the two.
    """
    N = len(masks)
    first = classes * torch.arange(N, device=masks.device)[:, None, None]
    known = masks != IGNORED

    def count(labels: Tensor, where: Tensor) -> Tensor:
        return torch.bincount((labels + first)[where], minlength=N * classes).view(N, classes)

    return {
        "intersection": count(masks, known & (masks == predicted)),
        "target": count(masks, known),
        "predicted": count(predicted, known),
    }


def _outputs(outputs: Any) -> dict[str, Tensor]:
    """Return a network's outputs by name; each is a map of logits.

    Raises:
        ConfigError: one is not.
    """
    named = named_outputs(outputs, "out")
    for name, each in named.items():
        if each.ndim != 4:
            raise ConfigError(
                f"model: the network returns '{name}' of shape {tuple(each.shape)}; segmentation "
                "needs logits for every pixel, (N, classes, H, W)"
            )
    return named


def _centre(targets: Tensor, logits: Tensor) -> Tensor:
    """Return the centre of targets ``(N, H, W)`` that logits ``(N, C, h, w)`` are of.

    Raises:
        ConfigError: the logits are larger.
    """
    (H, W), (h, w) = targets.shape[1:], logits.shape[2:]
    if h > H or w > W:
        raise ConfigError(f"model: the network makes {h}×{w} maps of {H}×{W} images")
    top, left = (H - h) // 2, (W - w) // 2
    return targets[:, top : top + h, left : left + w]
