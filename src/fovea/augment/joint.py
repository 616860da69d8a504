"""What an augmentation promises that moves an image and its mask as one."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Generator, Tensor

IGNORED = 255  # the label of pixels that are of no class: neither trained on nor measured


class Joint(ABC):
    """Random changes of images and of what is known of their pixels, anew for every sample.

    Of images alone it is an :class:`~fovea.augment.protocol.Augmentation`.
    """

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return changed copies of images, as :meth:`together` changes them."""

    @abstractmethod
    def together(self, images: Tensor, maps: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return changed copies of both; what is given stays as it is.

        Args:
            images: ``(N, C, H, W)``, uint8 or float32 on the 0–255 scale.
            maps: float32 ``(N, K, H, W)``, labels for instance: no two of their values are mixed.
            generator: source of every decision, on the device of ``images``.

        Returns:
            Both as float32, of one size for all samples.
        """
