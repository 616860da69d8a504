"""Fully convolutional networks (Long, Shelhamer, Darrell, 2015, arXiv:1411.4038, Fig. 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from fovea.config.types import PositiveInt
from fovea.models.layers.stages import Stages


class FCN(nn.Module):
    """Scores of the last stages of a classifier, enlarged and added up from coarse to fine.

    Maps are enlarged bilinearly; the paper learns that, starting from it. The scores of finer
    stages begin as 0, as in the paper. Its two layers of 4096 features, and so the classifier's
    head, are left out.

    Args:
        backbone: makes a classifier with stages, of ``num_classes`` and ``in_channels``.
        num_classes: channels of the logits.
        in_channels: channels of the images.
        skips: finer stages that are added to the last: over a VGG, whose stages halve the maps, 0
            is FCN-32s, 1 FCN-16s and 2 FCN-8s.
    """

    def __init__(
        self,
        backbone: Callable[..., nn.Module],
        num_classes: PositiveInt = 2,
        in_channels: PositiveInt = 3,
        skips: Literal[0, 1, 2] = 2,
    ) -> None:
        super().__init__()
        self.features = Stages(backbone, in_channels)
        used = self.features.channels[-1 - skips :]
        self.scores = nn.ModuleList(nn.Conv2d(channels, num_classes, 1) for channels in used)
        for parameter in self.scores[:-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, num_classes, H, W)``."""
        maps = self.features(images)[-len(self.scores) :]
        *finer, total = [score(each) for score, each in zip(self.scores, maps, strict=True)]
        for score in reversed(finer):
            total = enlarged(total, score) + score
        return enlarged(total, images)


def enlarged(maps: Tensor, to: Tensor) -> Tensor:
    """Interpolate maps bilinearly to the size of others."""
    return F.interpolate(maps, to.shape[2:], mode="bilinear", align_corners=False)
