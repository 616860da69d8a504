"""Channels without contrast; the statistics themselves are those of the data module's tests."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fovea.data.image.statistics import flat_channels


def test_channels_of_one_value() -> None:
    pixels = torch.tensor([[3, 7, 0], [3, 8, 0]], dtype=torch.uint8).view(2, 1, 1, 3)
    assert flat_channels(pixels.split(1)) == {0: 3, 2: 0}
    assert flat_channels([pixels]) == {0: 3, 2: 0}


def test_no_more_is_read_than_it_takes() -> None:
    def chunks() -> Iterator[Tensor]:
        yield torch.tensor([0, 1], dtype=torch.uint8).view(2, 1, 1, 1)
        raise AssertionError

    assert flat_channels(chunks()) == {}
