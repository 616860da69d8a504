"""The network of the hand-sign article, as it is printed and as its text asks for it."""

from __future__ import annotations

from math import prod
from typing import Literal

from torch import Tensor, nn

from fovea.config.types import Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import activated_pool
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import glorot_uniform

# Output channels, followed by a pool; by number of pools.
_CONVS = {
    1: ((64, True), (64, False), (128, False), (128, False)),
    2: ((64, True), (64, True)),
}
_FEATURES = 512


class SignCNN(nn.Module):
    """Unpadded 3×3 convolutions and a hidden layer of 512, with Keras's initialisation.

    Args:
        num_classes: width of the output; ``None`` returns the 512 features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        pools: 1 for the printed 64-64-128-128 with one pool; 2 for 64-64 with two ("no more than
            2 Conv2D and 2 MaxPooling2D").

    Raises:
        ConfigError: the images are too small for the convolutions.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 26,
        in_channels: PositiveInt = 1,
        image_size: Pixels = 28,
        pools: Literal[1, 2] = 1,
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential()
        channels = in_channels
        for out_channels, pooled in _CONVS[pools]:
            pool = nn.MaxPool2d(2) if pooled else None
            conv = nn.Conv2d(channels, out_channels, 3)
            self.convs.append(nn.Sequential(conv, *activated_pool("relu", pool)))
            channels = out_channels
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * prod(map_size(self.convs, image_size)), _FEATURES),
            nn.ReLU(),
        )
        self.head = linear_head(_FEATURES, num_classes)
        self.apply(glorot_uniform)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(self.convs(images)))
