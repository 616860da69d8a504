"""Random affine maps of the image plane."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fovea.config.types import Fraction, NonNegativeFloat, Probability


@dataclass(frozen=True)
class Geometric:
    """Rotates, shifts, shears, zooms and flips, as Keras' ``ImageDataGenerator`` composes them.

    Each sample draws its own values uniformly from the ranges given. The map from output to input
    coordinates is rotation · shift · shear · zoom about the image's centre; pixels are interpolated
    bilinearly, and points outside the image take its nearest pixel.

    Args:
        rotation: largest angle in degrees, either way.
        shift: largest shift as a fraction of the width and of the height, either way.
        shear: largest shear angle in degrees, either way.
        zoom: width and height are scaled independently by a factor within ``1 ± zoom``.
        flip: probability of a horizontal flip.
    """

    rotation: NonNegativeFloat = 40.0
    shift: Fraction = 0.2
    shear: NonNegativeFloat = 0.2
    zoom: Fraction = 0.2
    flip: Probability = 0.5

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Augment ``(N, C, H, W)`` images; the result is float32 on the 0–255 scale."""
        N, _, H, W = images.shape
        unit = torch.rand(7, N, generator=generator, device=images.device)
        rotation, shear, shift_x, shift_y, zoom_x, zoom_y = 2 * unit[:6] - 1
        matrix = affine_matrix(
            rotation=radians(self.rotation) * rotation,
            shear=radians(self.shear) * shear,
            shift_x=self.shift * W * shift_x,
            shift_y=self.shift * H * shift_y,
            zoom_x=1 + self.zoom * zoom_x,
            zoom_y=1 + self.zoom * zoom_y,
        )
        matrix[:, :, 0] *= torch.where(unit[6] < self.flip, -1, 1)[:, None]
        # From pixels to grid_sample's units, in which each axis runs from -1 to 1.
        matrix *= matrix.new_tensor([[1, H / W, 2 / W], [W / H, 1, 2 / H]])
        grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
        warped = F.grid_sample(
            images.to(grid.dtype), grid, padding_mode="border", align_corners=False
        )
        return warped.contiguous(memory_format=torch.channels_last)


def affine_matrix(
    *,
    rotation: Tensor,
    shear: Tensor,
    shift_x: Tensor,
    shift_y: Tensor,
    zoom_x: Tensor,
    zoom_y: Tensor,
) -> Tensor:
    """Multiply out rotation · shift · shear · zoom.

    Args:
        rotation: radians, ``(N,)`` as all the others.
        shear: radians.
        shift_x: pixels.
        shift_y: pixels.
        zoom_x: factor.
        zoom_y: factor.

    Returns:
        ``(N, 2, 3)``: output (x, y, 1) to input (x, y), in pixels from the centre.
    """
    sin, cos = rotation.sin(), rotation.cos()
    tilted = rotation + shear
    rows = [
        [zoom_x * cos, -zoom_y * tilted.sin(), cos * shift_x - sin * shift_y],
        [zoom_x * sin, zoom_y * tilted.cos(), sin * shift_x + cos * shift_y],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
