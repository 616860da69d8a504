"""Keras's ``mnist_cnn`` example."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from fovea.config.types import Fraction, Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import activated_pool
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import glorot_uniform

_FEATURES = 128


class KerasMnistCNN(nn.Module):
    """Two unpadded 3×3 convolutions, one pool and a hidden layer, with Keras's initialisation.

    Args:
        num_classes: width of the output; ``None`` returns the 128 features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        conv_dropout: after the pool.
        dropout: before the last layer.

    Raises:
        ConfigError: the images are too small for the convolutions.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 1,
        image_size: Pixels = 28,
        conv_dropout: Fraction = 0.25,
        dropout: Fraction = 0.5,
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Sequential(nn.Conv2d(in_channels, 32, 3), nn.ReLU()),
            nn.Sequential(nn.Conv2d(32, 64, 3), *activated_pool("relu", nn.MaxPool2d(2))),
        )
        self.hidden = nn.Sequential(
            Dropout(conv_dropout),
            nn.Flatten(),
            nn.Linear(64 * prod(map_size(self.convs, image_size)), _FEATURES),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.head = linear_head(_FEATURES, num_classes)
        self.apply(glorot_uniform)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.convs(images)))
