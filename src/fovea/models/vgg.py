"""VGG for CIFAR (Simonyan & Zisserman, 2015, arXiv:1409.1556, Table 1)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from fovea.config.types import Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import Activation, activated_pool
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import he_normal

_WIDTHS = (1, 2, 4, 8, 8)  # of each stage's channels to the first's
_CONVS_PER_STAGE = {  # Table 1, configurations A, B, D, E
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGG(nn.Module):
    """Stages of 3×3 convolutions, a pool after each, and one linear layer.

    The usual CIFAR form: the paper's three linear layers, made for 224×224 images, give way to one
    over the 512 features. Five pools leave one pixel of 32; larger images are averaged to one.
    Convolutions keep their biases under batch norm, as in published parameter counts.

    Args:
        num_classes: width of the output; ``None`` returns the 512 features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``; at least 32 each.
        depth: number of weight layers in the paper's count, with its three linear layers.
        batch_norm: after each convolution.
        activation: after each convolution.
        width: channels of the first stage; the last has eight times as many.

    Raises:
        ConfigError: the images are too small for the pools.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 3,
        image_size: Pixels = 32,
        depth: Literal[11, 13, 16, 19] = 16,
        batch_norm: bool = True,
        activation: Activation = "relu",
        width: PositiveInt = 64,
    ) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        channels = in_channels
        for times, convs in zip(_WIDTHS, _CONVS_PER_STAGE[depth], strict=True):
            out_channels = times * width
            stage = nn.Sequential()
            for left in reversed(range(convs)):
                stage.append(nn.Conv2d(channels, out_channels, 3, padding=1))
                if batch_norm:
                    stage.append(nn.BatchNorm2d(out_channels))
                stage.extend(activated_pool(activation, None if left else nn.MaxPool2d(2)))
                channels = out_channels
            self.stages.append(stage)
        map_size(self.stages, image_size)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = linear_head(channels, num_classes)
        self.apply(he_normal)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.stages(images)))
