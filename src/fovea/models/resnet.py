"""ResNet for CIFAR, and the plain networks it is held against.

He et al., 2015, arXiv:1512.03385, §4.2; pre-activation: He et al., 2016, arXiv:1603.05027, Fig. 4e.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from fovea.config.errors import ConfigError
from fovea.config.types import Pixels, PositiveInt
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import he_normal


class ResNet(nn.Module):
    """A 3×3 convolution, three stages of two-layer blocks at full, half and quarter size, a head.

    Args:
        num_classes: width of the output; ``None`` returns the pooled features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``; nothing depends on it.
        depth: number of weight layers, 6n+2.
        width: channels of the first stage; the others have twice and four times as many.
        residual: ``False`` leaves out every shortcut, whatever ``shortcut`` says (the paper's plain
            networks).
        shortcut: where channels grow, ``A`` pads with zeros, ``B`` projects with a 1×1 convolution.
        preactivation: norm and ReLU before each convolution instead of after it.

    Raises:
        ConfigError: ``depth`` is not 6n+2; the message names the nearest that are.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 3,
        image_size: Pixels = 32,
        depth: PositiveInt = 20,
        width: PositiveInt = 16,
        residual: bool = True,
        shortcut: Literal["A", "B"] = "A",
        preactivation: bool = False,
    ) -> None:
        super().__init__()
        blocks = _blocks_per_stage(depth)
        block = PreactivationBlock if preactivation else Block
        self.stem = nn.Sequential(_conv3x3(in_channels, width))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        if preactivation:
            self.pool = nn.Sequential(*_norm_relu(4 * width), *self.pool)
        else:
            self.stem.extend(_norm_relu(width))
        self.stages = nn.Sequential()
        for inputs, channels in pairwise((width, width, 2 * width, 4 * width)):
            widths = pairwise((inputs, *blocks * [channels]))
            skip = shortcut if residual else None
            self.stages.append(nn.Sequential(*(block(i, o, skip) for i, o in widths)))
        self.head = linear_head(4 * width, num_classes)
        self.apply(he_normal)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.stages(self.stem(images))))


class Block(nn.Module):
    """Two convolutions and a shortcut, then ReLU; halves the maps where the channels grow.

    ``(N, in_channels, H, W)`` to ``(N, channels, H, W)``, or half the size.

    Args:
        shortcut: as in :class:`ResNet`; ``None`` for none.
    """

    def __init__(self, in_channels: int, channels: int, shortcut: Literal["A", "B"] | None) -> None:
        super().__init__()
        self.path = nn.Sequential(
            _conv3x3(in_channels, channels, _stride(in_channels, channels)),
            *_norm_relu(channels),
            _conv3x3(channels, channels),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = _shortcut(in_channels, channels, shortcut, norm=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.path(x)
        return F.relu(out if self.shortcut is None else out + self.shortcut(x))


class PreactivationBlock(nn.Module):
    """Norm, ReLU and convolution, twice, and a shortcut that nothing follows.

    Where the channels grow, the shortcut reads what the first norm and ReLU made of the input, as
    in the authors' ``preresnet``. Shapes and arguments as in :class:`Block`.
    """

    def __init__(self, in_channels: int, channels: int, shortcut: Literal["A", "B"] | None) -> None:
        super().__init__()
        self.preactivation = nn.Sequential(*_norm_relu(in_channels))
        self.path = nn.Sequential(
            _conv3x3(in_channels, channels, _stride(in_channels, channels)),
            *_norm_relu(channels),
            _conv3x3(channels, channels),
        )
        self.shortcut = _shortcut(in_channels, channels, shortcut, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.preactivation(x)
        out = self.path(active)
        if self.shortcut is None:
            return out
        return out + (x if isinstance(self.shortcut, nn.Identity) else self.shortcut(active))


class PadShortcut(nn.Module):
    """Takes every second pixel and adds channels of zeros (option A): no parameters."""

    def __init__(self, extra_channels: int) -> None:
        super().__init__()
        self.extra_channels = extra_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.extra_channels))


def _blocks_per_stage(depth: int) -> int:
    blocks, remainder = divmod(depth - 2, 6)
    if blocks > 0 and remainder == 0:
        return blocks
    below = depth - remainder
    nearest = f"the nearest are {below} and {below + 6}" if blocks > 0 else "the smallest is 8"
    raise ConfigError(f"model.depth={depth}: a CIFAR ResNet has 6n+2 layers; {nearest}")


def _stride(in_channels: int, channels: int) -> int:
    return 1 if channels == in_channels else 2


def _conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)


def _norm_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU()


def _shortcut(
    in_channels: int, channels: int, option: Literal["A", "B"] | None, *, norm: bool
) -> nn.Module | None:
    if option is None:
        return None
    if channels == in_channels:
        return nn.Identity()
    if option == "A":
        return PadShortcut(channels - in_channels)
    projection = nn.Conv2d(in_channels, channels, 1, stride=2, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(channels)) if norm else projection
