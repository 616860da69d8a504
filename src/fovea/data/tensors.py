"""Batches of samples that are tensors in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fovea.data.order import EpochOrder


class TensorLoader:
    """Serves batches of tensors that share their first axis.

    Args:
        tensors: ``(N, …)`` each; a batch is a tuple of the same rows of all of them.
        order: the rows of each batch.
        device: where batches go.
    """

    def __init__(
        self, tensors: Sequence[Tensor], order: EpochOrder, device: torch.device | str = "cpu"
    ) -> None:
        self.tensors = tuple(each.to(device) for each in tensors)
        self.order = order

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """See :class:`~fovea.data.base.EpochLoader`."""
        self.order.set_epoch(epoch, start)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for chosen in self.order:
            index = chosen.to(self.tensors[0].device)
            yield tuple(each[index] for each in self.tensors)
