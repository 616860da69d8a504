"""What is measured of a classifier, by torchmetrics, once over all samples of a part."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)


def classification_metrics(num_classes: int) -> MetricCollection:
    """Return accuracy, macro F1 and (above five classes) top-5 accuracy.

    Macro F1 is the mean over the classes that occur or are predicted. ``update`` takes logits
    ``(N, num_classes)`` and labels ``(N,)``.
    """
    metrics = {
        "accuracy": MulticlassAccuracy(num_classes, average="micro"),
        "macro_f1": MulticlassF1Score(num_classes, average="macro"),
    }
    if num_classes > 5:
        metrics["top5_accuracy"] = MulticlassAccuracy(num_classes, average="micro", top_k=5)
    return MetricCollection(metrics, compute_groups=False)


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Return counts ``(num_classes, num_classes)``; rows are true classes, columns predicted ones.

    Args:
        predictions, labels: int64, ``(N,)``.
    """
    matrix = MulticlassConfusionMatrix(num_classes)
    matrix.update(predictions, labels)
    return matrix.compute()


def per_class_accuracy(confusion: Tensor) -> Tensor:
    """Return the share of each class's samples that are predicted rightly; NaN where it has none.

    Args:
        confusion: counts ``(num_classes, num_classes)``, rows true.
    """
    return confusion.diag() / confusion.sum(dim=1)
