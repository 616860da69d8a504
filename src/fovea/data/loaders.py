"""Batches from images in memory, or from files decoded as they are needed.

The order of samples and every random decision of an augmentation are functions of
(seed, epoch, rank, batch), so a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fovea.augment.protocol import Augmentation
from fovea.data.fit import Decoding, decode_fitted
from fovea.data.source import Files, Images

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Finish:
    """Turns uint8 pixels into what a network is fed: augmented and normalised, on the device.

    Args:
        mean, std: per channel the network asks for, on the 0–1 scale. One grey channel becomes
            three by broadcasting against three constants.
        device: where batches are assembled.
        augment: applied before normalisation.
        channels_last: memory format of the batch.
    """

    mean: Sequence[float]
    std: Sequence[float]
    device: torch.device
    augment: Augmentation
    channels_last: bool

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Map uint8 ``(N, H, W, C)`` on the device to float32 ``(N, C, H, W)``."""
        images = self.augment(pixels.permute(0, 3, 1, 2), generator)
        shift, scale = self._affine
        batch = torch.addcmul(shift, images.float(), scale)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return batch.contiguous(memory_format=layout)

    @cached_property
    def _affine(self) -> tuple[Tensor, Tensor]:
        """Shift and factor, ``(1, C, 1, 1)``, from the 0–255 scale to normalised values."""
        scale = 1 / (255 * torch.tensor(self.std, device=self.device))
        shift = -torch.tensor(self.mean, device=self.device) * 255 * scale
        return shift.view(1, -1, 1, 1), scale.view(1, -1, 1, 1)


class EpochOrder:
    """The samples of one rank in one epoch, as batches of indices.

    In training every rank serves the same number of batches, and a last batch of a single image
    is left out: batch normalisation has no variance for it.

    Args:
        size: number of samples.
        batch_size: samples per batch and rank.
        seed: the run's seed.
        shuffle: a new random order each epoch, instead of the order of the data.
        rank, world_size: this process among those that share the epoch.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        *,
        shuffle: bool,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(self._share, self.batch_size)
        return full + (rest > (1 if self.shuffle and full else 0))

    def __iter__(self) -> Iterator[Tensor]:
        if self.shuffle:
            generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
            order = torch.randperm(self.size, generator=generator)
        else:
            order = torch.arange(self.size)
        share = order[self.rank :: self.world_size][: self._share]
        return iter(share.split(self.batch_size)[: len(self)])

    @property
    def _share(self) -> int:
        if self.shuffle:
            return self.size // self.world_size
        return len(range(self.rank, self.size, self.world_size))


class InMemoryLoader:
    """Serves batches of images that are held, as uint8, on the device.

    Args:
        images: the part to serve, already of the network's size.
        finish: augments and normalises a batch.
        order: see :class:`EpochOrder`.
    """

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    def __init__(self, images: Images, finish: Finish, order: EpochOrder) -> None:
        self.pixels = images.pixels.to(finish.device)
        self.labels = images.labels.to(finish.device)
        self.finish = finish
        self.sampler = order  # so named, Lightning calls its ``set_epoch``

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        order = self.sampler
        generator = torch.Generator(self.finish.device)
        for number, chosen in enumerate(order):
            index = chosen.to(self.finish.device)
            generator.manual_seed(mixed_seed(order.seed, order.epoch, order.rank, number))
            yield self.finish(self.pixels[index], generator), self.labels[index]


class StreamingLoader:
    """Serves batches of image files, decoded by worker processes as they are needed.

    Args:
        files: the part to serve.
        finish: augments and normalises a batch.
        order: see :class:`EpochOrder`.
        decoding: side, channels and fit mode each file is decoded to.
        skipped: where the reason for each undecodable file is added; ``None`` stops at the first.
        workers: decoding processes.
    """

    batch_sampler = None

    def __init__(
        self,
        files: Files,
        finish: Finish,
        order: EpochOrder,
        decoding: Decoding,
        *,
        skipped: list[str] | None,
        workers: int,
    ) -> None:
        self.finish = finish
        self.sampler = order
        self._skipped = skipped
        self._loader: DataLoader[Any] = DataLoader(
            _Decoded(files, decoding, skip_bad=skipped is not None),
            sampler=_Batches(order),
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=finish.device.type == "cuda",
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        order, device = self.sampler, self.finish.device
        generator = torch.Generator(device)
        for number, (pixels, labels, reasons) in enumerate(self._loader):
            if self._skipped is not None:
                self._skipped.extend(each for each in reasons if each not in self._skipped)
            if not len(labels):
                continue
            generator.manual_seed(mixed_seed(order.seed, order.epoch, order.rank, number))
            pixels = pixels.to(device, non_blocking=True)
            yield self.finish(pixels, generator), labels.to(device, non_blocking=True)


def mixed_seed(*parts: int) -> int:
    """Return one 63-bit seed for a tuple of integers; near tuples give unrelated seeds."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


class _Batches:
    """An order as a sampler whose samples are batches: each worker decodes whole batches."""

    def __init__(self, order: EpochOrder) -> None:
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.order)


class _Decoded(Dataset[tuple[Tensor, Tensor, list[str]]]):
    """Maps indices to uint8 pixels ``(N, H, W, C)``, labels, and why some are missing."""

    def __init__(self, files: Files, decoding: Decoding, *, skip_bad: bool) -> None:
        self.files = files
        self.decoding = decoding
        self.skip_bad = skip_bad

    def __getitem__(self, batch: Any) -> tuple[Tensor, Tensor, list[str]]:
        pixels, kept, skipped = decode_fitted(
            self.files, batch, *self.decoding, skip_bad=self.skip_bad
        )
        return pixels, self.files.labels[kept], skipped
