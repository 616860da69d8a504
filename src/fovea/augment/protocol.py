"""What an augmentation promises its data module."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Generator, Tensor


@runtime_checkable
class Augmentation(Protocol):
    """Random changes of a batch of images, decided anew for every sample."""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return a changed copy; ``images`` stay as they are.

        Args:
            images: ``(N, C, H, W)`` in channels_last memory, uint8 or float32 on the 0–255 scale.
            generator: source of every decision, on the device of ``images``.

        Returns:
            Images of the same shape and memory format, uint8 or float32 on the 0–255 scale.
        """
        ...
