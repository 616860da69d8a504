"""Criteria of classification: modules that turn logits and targets into a scalar."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fovea.config.types import Fraction, PositiveFloat


class CrossEntropy(nn.Module):
    """Mean negative log-likelihood of the softmax.

    Args:
        label_smoothing: share of each target spread evenly over all classes (Szegedy et al. 2016,
            "Rethinking the Inception architecture for computer vision", section 7).
    """

    def __init__(self, label_smoothing: Fraction = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar mean over ``(N, C)`` logits and ``(N,)`` int64 targets."""
        return F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)


class LeNetMAP(nn.Module):
    """The discriminative criterion of LeNet-5 (LeCun et al. 1998, equation 9).

    With penalties y = -logits, the mean of ``y[target] + log(exp(-j) + Σ exp(-y))``. The constant
    is the penalty of a "rubbish" class: the penalties of wrong classes that already exceed it are
    hardly pushed up further.

    Args:
        rubbish_penalty: j; the paper says that it is positive and gives no value.
    """

    def __init__(self, rubbish_penalty: PositiveFloat = 0.1) -> None:
        super().__init__()
        self.rubbish_penalty = rubbish_penalty

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar mean over ``(N, C)`` logits and ``(N,)`` int64 targets."""
        with_rubbish = F.pad(logits.float(), (0, 1), value=-self.rubbish_penalty)
        return F.cross_entropy(with_rubbish, targets)
