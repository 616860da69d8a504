"""Noisy sine waves, and the number of their periods. Replace this by data of your own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import pi
from typing import Any

import torch
from torch import Tensor

from fovea.config.types import NonNegativeFloat, PositiveInt
from fovea.data.base import Data, PartName
from fovea.data.order import EpochOrder
from fovea.data.tensors import TensorLoader

_SIZES = {"train": 1024, "val": 256, "test": 256}


class SeriesData(Data):
    """Serves batches ``(series, targets)`` of shapes ``(N, length)`` and ``(N,)``.

    Args:
        length: values of a series.
        noise: standard deviation of what is added to a sine of amplitude 1.
        batch_size, seed: the run's.
    """

    def __init__(
        self,
        length: PositiveInt = 64,
        noise: NonNegativeFloat = 0.3,
        batch_size: PositiveInt = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.length = length
        self.noise = noise
        self.batch_size = batch_size
        self.seed = seed
        self._parts: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def offers(self) -> Mapping[str, Any]:
        return {"length": self.length}  # for ``length: auto`` in a network's config

    def setup(self, stage: str | None = None) -> None:
        if self._parts:
            return
        generator = torch.Generator().manual_seed(0)  # the same data for every seed of a run
        for part, size in _SIZES.items():
            targets = 1 + 7 * torch.rand(size, generator=generator)
            phase = 2 * pi * torch.rand(size, 1, generator=generator)
            time = torch.linspace(0, 2 * pi, self.length)
            noise = self.noise * torch.randn(size, self.length, generator=generator)
            self._parts[part] = torch.sin(targets[:, None] * time + phase) + noise, targets

    @property
    def fingerprint(self) -> str:
        self.setup()
        digest = sha256()
        for part, tensors in self._parts.items():
            digest.update(part.encode())
            for each in tensors:
                digest.update(each.numpy().tobytes())
        return digest.hexdigest()

    @property
    def sizes(self) -> Mapping[str, int]:
        return _SIZES

    def loader(self, part: PartName, *, train: bool = False) -> Iterable[Any]:
        self.setup()
        trainer = self.trainer
        order = EpochOrder.for_trainer(
            trainer, torch.arange(_SIZES[part]), self.batch_size, self.seed, shuffle=train
        )
        device = trainer.strategy.root_device if trainer else "cpu"
        return TensorLoader(self._parts[part], order, device)

    @property
    def example(self) -> tuple[Tensor, ...]:
        return (torch.empty(1, self.length, device="meta"),)
