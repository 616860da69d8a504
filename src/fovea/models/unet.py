"""U-Net (Ronneberger, Fischer, Brox, 2015, arXiv:1505.04597, Fig. 1)."""

from __future__ import annotations

from math import ceil
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fovea.config.errors import ConfigError
from fovea.config.types import Fraction, PositiveInt
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.init import he_normal

_TAKEN = 4  # pixels of a side that two unpadded 3×3 convolutions take


class UNet(nn.Module):
    """A contracting path of convolutions and pools, and an expanding one that joins its maps.

    With ``padding`` and images of any size: ``same`` pads convolutions with zeros. ``valid`` does
    not, as in the paper, so that 572×572 images make 388×388 maps, the centre of the images.
    ``mirror`` is ``valid`` on images that are mirrored beyond their border (the paper's Fig. 2), so
    that the maps are of the images' size.

    Args:
        num_classes: channels of the logits.
        in_channels: channels of the images.
        width: channels at full size, 64 in the paper; each pool doubles them.
        depth: number of pools, 4 in the paper.
        padding: see above; ``mirror`` in the paper.
        norm: ``batch`` puts batch norm after each 3×3 convolution; the paper has none.
        dropout: after the convolutions at the two smallest sizes ("at the end of the contracting
            path"); the paper gives no value, its code 0.5.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 2,
        in_channels: PositiveInt = 1,
        width: PositiveInt = 64,
        depth: PositiveInt = 4,
        padding: Literal["same", "valid", "mirror"] = "same",
        norm: Literal["none", "batch"] = "none",
        dropout: Fraction = 0.0,
    ) -> None:
        super().__init__()
        self.padding = padding
        self.depth = depth
        channels = [in_channels, *(width * 2**level for level in range(depth + 1))]
        padded = padding == "same"
        self.down = nn.ModuleList()
        for level in range(depth + 1):
            block = _convs(channels[level], channels[level + 1], padded=padded, norm=norm)
            if dropout and level >= depth - 1:
                block.append(Dropout(dropout))
            self.down.append(block)
        self.pool = nn.MaxPool2d(2)
        self.raising = nn.ModuleList()
        self.up = nn.ModuleList()
        for wide in reversed(channels[2:]):
            self.raising.append(nn.ConvTranspose2d(wide, wide // 2, 2, stride=2))
            self.up.append(_convs(wide, wide // 2, padded=padded, norm=norm))
        self.head = nn.Conv2d(width, num_classes, 1)
        self.apply(he_normal)
        self.raising.apply(_init_raising)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, num_classes, h, w)``.

        Raises:
            ConfigError: unpadded convolutions leave nothing of such images, or these are too small
                to be mirrored.
        """
        maps = self._extended(images)
        joined: list[Tensor] = []
        for block in self.down[:-1]:
            joined.append(block(maps))
            maps = self.pool(joined[-1])
        maps = self.down[-1](maps)
        for raising, block in zip(self.raising, self.up, strict=True):
            maps = raising(maps)
            maps = block(torch.cat([_centre(joined.pop(), maps), maps], dim=1))
        logits = self.head(maps)
        return logits if self.padding == "valid" else _centre(logits, images)

    def _extended(self, images: Tensor) -> Tensor:
        """Extend images on all sides, so that every pool halves its maps evenly."""
        H, W = images.shape[2:]
        step = 2**self.depth
        if self.padding == "valid":
            if any((side + _TAKEN) % step or side < 12 * step - _TAKEN for side in (H, W)):
                raise ConfigError(
                    f"model.padding=valid: {self.depth} pools do not halve the maps of {H}×{W} "
                    "images evenly; set model.padding=mirror"
                )
            return images
        if self.padding == "same":
            top, left = (-side % step for side in (H, W))
            return F.pad(images, _margins(left, top))
        # As many steps of the maps as cover the image, and 12 that the convolutions take
        top, left = (step * (ceil((side - _TAKEN) / step) + 12) - _TAKEN - side for side in (H, W))
        if top >= 2 * H - 1 or left >= 2 * W - 1:
            raise ConfigError(
                f"model.padding=mirror: {H}×{W} images are too small to be mirrored by "
                f"{ceil(max(top, left) / 2)} pixels; set model.padding=same"
            )
        return F.pad(images, _margins(left, top), mode="reflect")


def _margins(horizontal: int, vertical: int) -> tuple[int, int, int, int]:
    """Divide pixels among the left and right, and the top and bottom."""
    left, top = horizontal // 2, vertical // 2
    return left, horizontal - left, top, vertical - top


def _centre(maps: Tensor, of: Tensor) -> Tensor:
    """Return the centre of maps that has the size of others."""
    (H, W), (h, w) = maps.shape[2:], of.shape[2:]
    top, left = (H - h) // 2, (W - w) // 2
    return maps[:, :, top : top + h, left : left + w]


def _convs(in_channels: int, channels: int, *, padded: bool, norm: str) -> nn.Sequential:
    block = nn.Sequential()
    for inputs in (in_channels, channels):
        block.append(nn.Conv2d(inputs, channels, 3, padding=int(padded), bias=norm == "none"))
        if norm == "batch":
            block.append(nn.BatchNorm2d(channels))
        block.append(nn.ReLU())
    return block


def _init_raising(layer: nn.Module) -> None:
    """Draw weights from N(0, 2/N) with N inputs of each output, as the paper's section 3 asks."""
    if isinstance(layer, nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, std=(2 / layer.in_channels) ** 0.5)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
