"""Statistics of a training part's pixels, over a bounded number of images at a time."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def channel_statistics(chunks: Iterable[Tensor]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, from exact counts of the levels.

    Args:
        chunks: uint8, ``(n, H, W, C)`` each.

    Returns:
        Both on the 0–1 scale; a deviation is at least 1e-6.
    """
    counts = sum(
        torch.stack([torch.bincount(each.flatten(), minlength=256) for each in chunk.unbind(3)])
        for chunk in chunks
    )
    assert isinstance(counts, Tensor)
    levels = torch.arange(256, dtype=torch.float64) / 255
    total = counts.sum(dim=1)
    mean = (counts.double() @ levels) / total
    variance = (counts.double() @ levels.square()) / total - mean.square()
    return mean.tolist(), variance.clamp_min(1e-12).sqrt().tolist()


def flat_channels(chunks: Iterable[Tensor]) -> dict[int, int]:
    """Return the channels that have one value in every pixel, with that value.

    No more chunks are read than it takes to see that there are none.
    """
    lowest = highest = None
    for chunk in chunks:
        low, high = chunk.amin((0, 1, 2)), chunk.amax((0, 1, 2))
        lowest = low if lowest is None else torch.minimum(lowest, low)
        highest = high if highest is None else torch.maximum(highest, high)
        if (lowest < highest).all():
            return {}
    if lowest is None or highest is None:
        return {}
    return {
        channel: int(value)
        for channel, value in enumerate(lowest.tolist())
        if value == highest[channel]
    }
