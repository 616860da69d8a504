"""Probes of image classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import torch.nn.functional as F
from torch import Generator, Tensor

from fovea.config.errors import ConfigError
from fovea.config.types import PositiveInt
from fovea.data.base import Data
from fovea.data.image.module import ImageData
from fovea.problems.probes import Measure


@dataclass(frozen=True)
class Shifts:
    """Test accuracy under shifts: ``test/accuracy_shift_1`` … ``test/accuracy_shift_<largest>``.

    At a distance d every test image is moved by d whole pixels along one axis. What enters is 0, as
    around images that ``data.fit=pad`` enlarges; what leaves is lost. The accuracy is the mean over
    the four directions. The images are those that are served: a network that is fed 28×28 images
    padded to 32×32 loses nothing of them up to a shift of 2 pixels.

    Args:
        largest: distance in pixels; every one from 1 on is measured.
    """

    largest: PositiveInt = 6

    def __call__(self, data: Data, measure: Measure) -> dict[str, float]:
        if not isinstance(data, ImageData):
            raise ConfigError("probe=shifts: it shifts images, and this data has none")
        return {
            f"test/accuracy_shift_{distance}": fmean(
                measure(data.changed_loader("test", Shift(distance * x, distance * y)))["accuracy"]
                for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1))
            )
            for distance in range(1, self.largest + 1)
        }


@dataclass(frozen=True)
class Shift:
    """Moves every image by so many pixels to the right and down, and fills with 0.

    It is an :class:`~fovea.augment.protocol.Augmentation` that draws nothing.
    """

    right: int
    down: int

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        H, W = images.shape[-2:]
        x, y = max(-W, min(self.right, W)), max(-H, min(self.down, H))
        return F.pad(images, (x, -x, y, -y))
