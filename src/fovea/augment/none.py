"""No augmentation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor


@dataclass(frozen=True)
class Identity:
    """Returns the images as they are and draws nothing."""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        return images
