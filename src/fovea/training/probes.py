"""Probes: what else is measured of the tested weights, once, after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Generator, Tensor

from fovea.config.types import PositiveInt
from fovea.data.image.module import ImageData

Measure = Callable[[Iterable[Any]], dict[str, float]]


@runtime_checkable
class Probe(Protocol):
    """Measures a trained network on other images than the test part as it is."""

    def __call__(self, data: ImageData, measure: Measure) -> dict[str, float]:
        """Return metrics, each named ``part/metric``.

        Args:
            data: what the network was trained on.
            measure: maps batches to the network's ``accuracy``, ``loss`` … over all of them.
        """
        ...


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

    def __call__(self, data: ImageData, measure: Measure) -> dict[str, float]:
        return {
            f"test/accuracy_shift_{distance}": fmean(
                measure(data.changed_test_dataloader(Shift(distance * x, distance * y)))["accuracy"]
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


class TrainingPart:
    """The metrics of the test, on the training part: ``train_eval/accuracy`` and so on.

    In order and not augmented, by fixed weights; ``train/accuracy`` is of augmented batches while
    the weights move.
    """

    def __call__(self, data: ImageData, measure: Measure) -> dict[str, float]:
        measured = measure(data.train_eval_dataloader())
        return {f"train_eval/{name}": value for name, value in measured.items()}
