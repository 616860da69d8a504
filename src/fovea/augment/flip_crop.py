"""Random crops of padded images and horizontal flips: the standard CIFAR augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fovea.config.errors import ConfigError
from fovea.config.types import NonNegativeInt, Probability


@dataclass(frozen=True)
class FlipCrop:
    """Pads every side, cuts out a window of the original size, flips left and right.

    He et al. 2016, "Deep residual learning for image recognition", section 4.2 (zeros);
    Zagoruyko and Komodakis 2016, "Wide residual networks", section 3 (reflections).

    Args:
        padding: pixels added on every side; the window moves by up to that many each way.
        padding_mode: what is added: ``constant`` (zeros) or ``reflect``.
        flip: probability of a horizontal flip.
    """

    padding: NonNegativeInt = 4
    padding_mode: Literal["constant", "reflect"] = "constant"
    flip: Probability = 0.5

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Augment ``(N, C, H, W)`` images; the dtype is kept.

        Raises:
            ConfigError: reflections are asked for that are wider than the images.
        """
        N, _, H, W = images.shape
        device = images.device
        # Every window is a view, so that one gather does all crops.
        windows = self._pad(images.permute(0, 2, 3, 1)).unfold(1, H, 1).unfold(2, W, 1)
        top, left = torch.randint(
            2 * self.padding + 1, (2, N), generator=generator, device=device
        ).unbind()
        crops = windows[torch.arange(N, device=device), top, left]
        flipped = torch.rand(N, 1, 1, 1, generator=generator, device=device) < self.flip
        return torch.where(flipped, crops.flip(3), crops)

    def _pad(self, images: Tensor) -> Tensor:
        """Pad ``(N, H, W, C)`` images."""
        p = self.padding
        if self.padding_mode == "constant":
            return F.pad(images, (0, 0, p, p, p, p))
        _, H, W, _ = images.shape
        if p >= min(H, W):
            raise ConfigError(
                f"augment.padding={p}: {H}×{W} images have no {p} pixels to reflect; "
                f"set it below {min(H, W)} or augment.padding_mode=constant"
            )
        for dim, size in ((1, H), (2, W)):  # torch's own reflection padding takes no uint8
            before = images.narrow(dim, 1, p).flip(dim)
            after = images.narrow(dim, size - 1 - p, p).flip(dim)
            images = torch.cat([before, images, after], dim)
        return images
