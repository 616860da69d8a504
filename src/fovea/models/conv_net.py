"""The ConvolutionalNeuralNetwork of Pinecone's visual guide to CNNs."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from fovea.config.types import Fraction, Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import activated_pool
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.head import linear_head

# Output channels, kernel, followed by a pool.
_CONVS = ((64, 4, True), (192, 4, True), (384, 3, False), (256, 3, False), (256, 3, True))
_FEATURES = 256


class ConvNet(nn.Module):
    """AlexNet in small: five convolutions, three overlapping max-pools, three linear layers.

    Args:
        num_classes: width of the output; ``None`` returns the 256 features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        dropout: before each of the first two linear layers.

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
        self.convs = nn.Sequential()
        channels = in_channels
        for out_channels, kernel, pooled in _CONVS:
            pool = nn.MaxPool2d(3, stride=2) if pooled else None
            conv = nn.Conv2d(channels, out_channels, kernel, padding=1)
            self.convs.append(nn.Sequential(conv, *activated_pool("relu", pool)))
            channels = out_channels
        self.hidden = nn.Sequential(
            nn.Flatten(),
            Dropout(dropout),
            nn.Linear(channels * prod(map_size(self.convs, image_size)), 512),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(512, _FEATURES),
            nn.ReLU(),
        )
        self.head = linear_head(_FEATURES, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.convs(images)))
