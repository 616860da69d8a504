"""A small convolutional network for series."""

from __future__ import annotations

from torch import Tensor, nn

from fovea.config.types import PositiveInt


class SeriesNet(nn.Module):
    """Two convolutions, the mean over time, and a linear layer.

    Args:
        length: values of a series.
        width: channels of the convolutions.
    """

    def __init__(self, length: PositiveInt, width: PositiveInt = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Unflatten(1, (1, length)),
            nn.Conv1d(1, width, kernel_size=9, padding=4),
            nn.ReLU(),
            nn.Conv1d(width, width, kernel_size=9, padding=4, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(width, 1),
        )

    def forward(self, series: Tensor) -> Tensor:
        """Map ``(N, length)`` to ``(N,)``."""
        return self.layers(series).squeeze(1)
