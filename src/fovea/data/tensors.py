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

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    def __init__(
        self, tensors: Sequence[Tensor], order: EpochOrder, device: torch.device | str = "cpu"
    ) -> None:
        self.tensors = tuple(each.to(device) for each in tensors)
        self.sampler = order  # Lightning tells it the epoch, and a resumed run its batch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for chosen in self.sampler:
            index = chosen.to(self.tensors[0].device)
            yield tuple(each[index] for each in self.tensors)
