"""Flips, rotation, scale, crop and elastic deformation of images and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fovea.augment.geometric import affine_matrix
from fovea.augment.joint import Joint
from fovea.config.errors import ConfigError
from fovea.config.types import (
    NonNegativeFloat,
    Pixels,
    PositiveFloat,
    Probability,
    height_and_width,
)


@dataclass(frozen=True)
class Warp(Joint):
    """Samples images and masks at the same moved points.

    A point of the result is scaled, shifted and rotated about the image's centre, then displaced by
    the elastic deformation (Ronneberger et al. 2015, "U-Net", section 3.1: displacements drawn on
    a coarse grid and interpolated bicubically). Images are interpolated bilinearly and masks take
    the nearest pixel, so that labels stay labels. Beyond its border an image is mirrored.

    Args:
        flip: probability of a horizontal flip.
        flip_vertical: probability of a vertical flip.
        rotation: largest angle in degrees, either way; uniform.
        scale: smallest and largest factor; uniform in its logarithm.
        crop: height and width, or the side of a square, cut out of the scaled image at a random
            place; ``None`` keeps the image's size.
        elastic: standard deviation of the displacements in pixels, along each axis; 10 in the
            paper.

    Raises:
        ConfigError: ``scale`` is no such pair.
    """

    flip: Probability = 0.5
    flip_vertical: Probability = 0.0
    rotation: NonNegativeFloat = 0.0
    scale: Sequence[PositiveFloat] = (1.0, 1.0)
    crop: Pixels | None = None
    elastic: NonNegativeFloat = 0.0

    def __post_init__(self) -> None:
        if len(self.scale) != 2 or self.scale[0] > self.scale[1]:
            raise ConfigError(
                f"augment.scale={list(self.scale)}: should be two factors, the smaller one first"
            )

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        return _sampled(images, self._grid(images, generator), "bilinear")

    def together(self, images: Tensor, maps: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        grid = self._grid(images, generator)
        return _sampled(images, grid, "bilinear"), _sampled(maps, grid, "nearest")

    def _grid(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the points ``(N, h, w, 2)`` that are sampled, in grid_sample's units."""
        N, _, H, W = images.shape
        h, w = (H, W) if self.crop is None else height_and_width(self.crop)
        device = images.device
        unit = torch.rand(6, N, generator=generator, device=device)
        smallest, largest = self.scale
        zoom = 1 / (smallest * (largest / smallest) ** unit[0])
        matrix = affine_matrix(
            rotation=radians(self.rotation) * (2 * unit[1] - 1),
            shear=torch.zeros_like(zoom),
            shift_x=_shift(W - w * zoom, unit[2]),
            shift_y=_shift(H - h * zoom, unit[3]),
            zoom_x=zoom,
            zoom_y=zoom,
        )
        matrix[:, :, 0] *= torch.where(unit[4] < self.flip, -1, 1)[:, None]
        matrix[:, :, 1] *= torch.where(unit[5] < self.flip_vertical, -1, 1)[:, None]
        y = torch.arange(h, device=device) - (h - 1) / 2
        x = torch.arange(w, device=device) - (w - 1) / 2
        points = torch.stack(
            [x.expand(h, w), y[:, None].expand(h, w), torch.ones(h, w, device=device)], dim=-1
        )
        moved = torch.einsum("hwk,nck->nhwc", points, matrix)
        if self.elastic:
            coarse = torch.randn(N, 2, 3, 3, generator=generator, device=device) * self.elastic
            fine = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)
            moved = moved + fine.permute(0, 2, 3, 1)
        return moved * moved.new_tensor([2 / W, 2 / H])


def _shift(room: Tensor, unit: Tensor) -> Tensor:
    """Return where a crop lies, in pixels from the centre; crops that are not scaled lie on pixels.

    Args:
        room: pixels that the image is larger than the crop, ``(N,)``; below 0 there is no choice.
        unit: uniform in [0, 1), ``(N,)``.
    """
    room = room.clamp_min(0)
    return (unit * (room.floor() + 1)).floor() - room / 2


def _sampled(maps: Tensor, grid: Tensor, mode: str) -> Tensor:
    maps = maps.to(grid.dtype)
    return F.grid_sample(maps, grid, mode=mode, padding_mode="reflection", align_corners=False)
