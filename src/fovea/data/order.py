"""The order of samples in an epoch: a function of seed, epoch and rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor


class EpochOrder:
    """The samples of one rank in one epoch, as batches of indices.

    In training every rank serves the same number of batches, and a last batch of a single image
    is left out: batch normalisation has no variance for it.

    Args:
        rows: int64, the samples there are.
        batch_size: samples per batch and rank.
        seed: the run's seed.
        shuffle: a new random order each epoch, instead of the order of the data.
        rank, world_size: this process among those that share the epoch.

    Attributes:
        epoch: the epoch that is served next.
        start: the batch that it starts at, after an interruption.
    """

    def __init__(
        self,
        rows: Tensor,
        batch_size: int,
        seed: int,
        *,
        shuffle: bool,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0

    @classmethod
    def for_trainer(
        cls, trainer: Trainer | None, rows: Tensor, batch_size: int, seed: int, *, shuffle: bool
    ) -> EpochOrder:
        """Return the order of this process among those of a trainer; without one it is alone."""
        rank, size = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        return cls(rows, batch_size, seed, shuffle=shuffle, rank=rank, world_size=size)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch that is served next, see :class:`~fovea.data.base.EpochLoader`."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        full, rest = divmod(self._share, self.batch_size)
        return full + (rest > (1 if self.shuffle and full else 0))

    def __iter__(self) -> Iterator[Tensor]:
        if self.shuffle:
            generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
            order = self.rows[torch.randperm(len(self.rows), generator=generator)]
        else:
            order = self.rows
        share = order[self.rank :: self.world_size][: self._share]
        return iter(share.split(self.batch_size)[self.start : len(self)])

    @property
    def _share(self) -> int:
        if self.shuffle:
            return len(self.rows) // self.world_size
        return len(range(self.rank, len(self.rows), self.world_size))


AUGMENTATION = 1  # the last part of its seeds: trailing zeros, as of the order's, do not count


def mixed_seed(*parts: int) -> int:
    """Return one 63-bit seed for a tuple of integers; near tuples give unrelated seeds.

    Tuples that differ in trailing zeros alone give the same seed.
    """
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
