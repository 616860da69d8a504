"""The CNN of the convolutional-network lesson: 32-64-128 with adaptive pooling."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from fovea.config.types import Fraction, Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import activated_pool
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.head import linear_head

_CHANNELS = (32, 64, 128)
_FEATURES = 256


class GuideCNN(nn.Module):
    """Three times convolution, batch norm, ReLU and a pool, the last one to 4×4 whatever the size.

    Args:
        num_classes: width of the output; ``None`` returns the 256 features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        dropout: before the last layer.

    Raises:
        ConfigError: the images are too small for the pools.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 3,
        image_size: Pixels = 32,
        dropout: Fraction = 0.5,
    ) -> None:
        super().__init__()
        pools = (nn.MaxPool2d(2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(4))
        self.convs = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(inputs, outputs, 3, padding=1),
                    nn.BatchNorm2d(outputs),
                    *activated_pool("relu", pool),
                )
                for (inputs, outputs), pool in zip(
                    pairwise((in_channels, *_CHANNELS)), pools, strict=True
                )
            )
        )
        map_size(self.convs, image_size)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(_CHANNELS[-1] * 4**2, _FEATURES),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.head = linear_head(_FEATURES, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.convs(images)))
