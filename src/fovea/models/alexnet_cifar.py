"""AlexNet's four-layer sibling for CIFAR-10: cuda-convnet's ``layers-18pct.cfg``.

Krizhevsky et al., 2012, footnote 3, point to cuda-convnet for their CIFAR-10 networks.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from torch import Tensor, nn

from fovea.config.types import Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import Activation, activation_layer
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import he_normal
from fovea.models.layers.response_norm import ResponseNorm2d

_CHANNELS = (32, 32, 64)
_STDS = (1e-4, 0.01, 0.01, 0.01)  # initW of the three convolutions and the linear layer


class AlexNetCifar(nn.Module):
    """Three 5×5 convolutions with overlapping 3×3 pools, and one linear layer.

    Args:
        num_classes: width of the output; ``None`` returns the features before it.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        activation: after each convolution (the first time after its pool, as in the file).
        response_norm: normalise responses within each map after the first two pools.
        init: ``paper`` draws from the file's standard deviations, which expect pixels of 0 to 255
            less their mean; ``he`` suits normalised images and compares activations fairly.

    Raises:
        ConfigError: the images are too small for the pools.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 3,
        image_size: Pixels = 32,
        activation: Activation = "relu",
        response_norm: bool = True,
        init: Literal["paper", "he"] = "he",
    ) -> None:
        super().__init__()
        first, second, third = _CHANNELS
        norm = ResponseNorm2d if response_norm else nn.Identity
        self.convs = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(in_channels, first, 5, padding=2),
                nn.MaxPool2d(3, stride=2, ceil_mode=True),
                activation_layer(activation),
                norm(),
            ),
            nn.Sequential(
                nn.Conv2d(first, second, 5, padding=2),
                activation_layer(activation),
                _mean_pool(),
                norm(),
            ),
            nn.Sequential(
                nn.Conv2d(second, third, 5, padding=2),
                activation_layer(activation),
                _mean_pool(),
            ),
        )
        self.head = linear_head(third * prod(map_size(self.convs, image_size)), num_classes)
        self.apply(he_normal)
        if init == "paper":
            self._draw_paper_weights()

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.convs(images).flatten(1))

    def _draw_paper_weights(self) -> None:
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for layer, std in zip(layers, _STDS, strict=False):  # headless: no linear layer
            nn.init.normal_(layer.weight, std=std)


def _mean_pool() -> nn.AvgPool2d:
    # Windows that overhang count their pixels either way, but Inductor's gradient of a pool that
    # includes padding divides by nine (pytorch#198119).
    return nn.AvgPool2d(3, stride=2, ceil_mode=True, count_include_pad=False)
