"""The multilayer perceptron, the network without convolutions that the others are held against."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from fovea.config.types import Fraction, Pixels, PositiveInt, height_and_width
from fovea.models.layers.activations import Activation, activation_layer
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import glorot_uniform


class MLP(nn.Module):
    """Fully connected layers over all pixels, as in Keras's ``mnist_mlp`` example.

    Args:
        num_classes: width of the output; ``None`` returns the last hidden layer.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``.
        hidden_sizes: width of each hidden layer.
        activation: after each hidden layer.
        dropout: after each hidden layer.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 1,
        image_size: Pixels = 28,
        hidden_sizes: Sequence[PositiveInt] = (512, 512),
        activation: Activation = "relu",
        dropout: Fraction = 0.2,
    ) -> None:
        super().__init__()
        sizes = (in_channels * prod(height_and_width(image_size)), *hidden_sizes)
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Linear(inputs, outputs), activation_layer(activation), Dropout(dropout)
                )
                for inputs, outputs in pairwise(sizes)
            )
        )
        self.head = linear_head(sizes[-1], num_classes)
        self.apply(glorot_uniform)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.hidden(images.flatten(1)))
