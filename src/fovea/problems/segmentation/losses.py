"""Criteria of segmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fovea.augment.joint import IGNORED
from fovea.config.errors import ConfigError
from fovea.config.types import NonNegativeFloat


class SegmentationLoss(nn.Module):
    """``cross_entropy`` · cross entropy + ``dice`` · Dice loss, over the pixels that have a class.

    The cross entropy is the mean over pixels, weighted where the data serves weights. The Dice loss
    is 1 - the mean, over the classes that occur in the batch, of 2Σpt / (Σp + Σt) with the
    probabilities p of a class and its indicator t (Drozdzal et al. 2016, arXiv:1608.04117,
    section 2.3).

    Args:
        cross_entropy, dice: the weight of each.

    Raises:
        ConfigError: both are 0.
    """

    def __init__(self, cross_entropy: NonNegativeFloat = 1.0, dice: NonNegativeFloat = 0.0) -> None:
        super().__init__()
        if not cross_entropy and not dice:
            raise ConfigError("loss.cross_entropy=0 and loss.dice=0 leave no loss")
        self.cross_entropy = cross_entropy
        self.dice = dice

    def forward(self, logits: Tensor, masks: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return a scalar.

        Args:
            logits: ``(N, C, …)``.
            masks: int64 ``(N, …)``, labels or ``IGNORED``.
            weights: of the pixels, ``(N, …)``; ``None``: all alike.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        total = logits.new_zeros(())
        if self.cross_entropy:
            total = total + self.cross_entropy * _cross_entropy(logits, masks, weights)
        if self.dice:
            total = total + self.dice * dice_loss(logits, masks)
        return total


def _cross_entropy(logits: Tensor, masks: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        weights = torch.ones_like(masks, dtype=torch.float32)
    weights = weights * (masks != IGNORED)
    losses = F.cross_entropy(logits, masks, ignore_index=IGNORED, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp_min(torch.finfo(torch.float32).tiny)


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return 1 - the mean soft Dice of the classes that occur; see :class:`SegmentationLoss`."""
    C = logits.shape[1]
    known = (masks != IGNORED).reshape(-1)
    targets = masks.reshape(-1)[known]
    probabilities = logits.softmax(dim=1).movedim(1, -1).reshape(-1, C)[known]
    own = probabilities.gather(1, targets[:, None]).squeeze(1)
    shared = own.new_zeros(C).index_add(0, targets, own)
    sizes = own.new_zeros(C).index_add(0, targets, torch.ones_like(own))
    dice = 2 * shared / (probabilities.sum(dim=0) + sizes).clamp_min(1e-12)
    present = sizes > 0
    return 1 - (dice * present).sum() / present.sum().clamp_min(1)
