"""Random images of CIFAR-10's shape, for machines without it: speed does not depend on content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.data.image.source import Images, Source, Spec, Splits


@dataclass(frozen=True)
class Synthetic(Source):
    """Random labelled images.

    Args:
        count: training images; a fifth as many test images.
        image_size: side in pixels.
        channels: 1 or 3.
        classes: number of classes.
    """

    count: int = 50_000
    image_size: int = 32
    channels: int = 3
    classes: int = 10

    def spec(self, root: Path) -> Spec:
        names = tuple(str(label) for label in range(self.classes))
        return Spec(names, self.channels, self.image_size)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        generator = torch.Generator().manual_seed(0)
        return Splits(
            train=self._draw(self.count, generator), test=self._draw(self.count // 5, generator)
        )

    def _draw(self, count: int, generator: torch.Generator) -> Images:
        shape = (count, self.image_size, self.image_size, self.channels)
        pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        return Images(pixels, torch.arange(count) % self.classes)
