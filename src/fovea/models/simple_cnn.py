"""The SimpleCNN of the comprehensive guide: 32-64-128 with batch norm and dropout."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from fovea.config.types import Fraction, Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import activated_pool
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.head import linear_head

_CHANNELS = (32, 64, 128)
_FEATURES = 512


class SimpleCNN(nn.Module):
    """Three times convolution, batch norm, ReLU, pool, dropout; then two linear layers.

    Args:
        num_classes: width of the output; ``None`` returns the 512 features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        dropout: after each pool and before the last layer.

    Raises:
        ConfigError: the images are too small for the pools.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 3,
        image_size: Pixels = 32,
        dropout: Fraction = 0.25,
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(inputs, outputs, 3, padding=1),
                    nn.BatchNorm2d(outputs),
                    *activated_pool("relu", nn.MaxPool2d(2)),
                    Dropout(dropout),
                )
                for inputs, outputs in pairwise((in_channels, *_CHANNELS))
            )
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(_CHANNELS[-1] * prod(map_size(self.convs, image_size)), _FEATURES),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.head = linear_head(_FEATURES, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.convs(images)))
