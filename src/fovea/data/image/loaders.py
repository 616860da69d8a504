"""Batches from pixels on the device, from pixels on the host, or from files decoded as needed.

The order of samples and every random decision of an augmentation are functions of
(seed, epoch, rank, batch), so a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fovea.augment.protocol import Augmentation
from fovea.config.errors import DataError
from fovea.data.image.decoded import Decoder
from fovea.data.image.fit import Decoding
from fovea.data.image.source import Files, Images
from fovea.data.order import AUGMENTATION, EpochOrder, mixed_seed

Batch = tuple[Tensor, Tensor]

_AHEAD = 4  # batches each worker prepares before they are asked for


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


class _Loader(ABC):
    """Serves what :meth:`_batches` yields, finished, on the device."""

    def __init__(self, finish: Finish, order: EpochOrder) -> None:
        self.finish = finish
        self.order = order

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """See :class:`~fovea.data.base.EpochLoader`."""
        self.order.set_epoch(epoch, start)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        order, device = self.order, self.finish.device
        generator = torch.Generator(device)
        for number, (pixels, labels) in enumerate(self._batches(), order.start):
            stream = order.seed, order.epoch, order.rank, number, AUGMENTATION
            generator.manual_seed(mixed_seed(*stream))
            pixels = pixels.to(device, non_blocking=True)
            yield self.finish(pixels, generator), labels.to(device, non_blocking=True)

    @abstractmethod
    def _batches(self) -> Iterator[Batch]:
        """Yield uint8 ``(N, H, W, C)`` and ``(N,)`` for every batch of the order."""


class InMemoryLoader(_Loader):
    """Serves batches of images that are held, as uint8, on the device.

    Args:
        images: already of the network's size, and on the device.
        finish: augments and normalises a batch.
        order: see :class:`EpochOrder`.
    """

    def __init__(self, images: Images, finish: Finish, order: EpochOrder) -> None:
        super().__init__(finish, order)
        self.images = images

    def _batches(self) -> Iterator[Batch]:
        for chosen in self.order:
            index = chosen.to(self.finish.device)
            yield self.images.pixels[index], self.images.labels[index]


class HostLoader(_Loader):
    """Serves batches of images that stay on the host, in memory or memory-mapped.

    Threads gather the next batches, from the disk if need be, while the device works on this one.

    Args:
        images: already of the network's size.
        finish: augments and normalises a batch.
        order: see :class:`EpochOrder`.
        workers: threads; none gathers a batch when it is asked for.
    """

    def __init__(self, images: Images, finish: Finish, order: EpochOrder, *, workers: int) -> None:
        super().__init__(finish, order)
        self.images = images
        self.workers = workers

    def _batches(self) -> Iterator[Batch]:
        if not self.workers:
            yield from map(self._gather, self.order)
            return
        pool = ThreadPoolExecutor(self.workers)
        ahead: deque[Future[Batch]] = deque()
        try:
            for chosen in self.order:
                ahead.append(pool.submit(self._gather, chosen))
                if len(ahead) > _AHEAD * self.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _gather(self, chosen: Tensor) -> Batch:
        pinned = self.finish.device.type == "cuda"
        shape = len(chosen), *self.images.pixels.shape[1:]
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        # NumPy gathers on the calling thread alone and without the GIL; "clip" writes unbuffered
        self.images.pixels.numpy().take(chosen.numpy(), 0, pixels.numpy(), "clip")
        labels = self.images.labels[chosen]
        return pixels, labels.pin_memory() if pinned else labels


class StreamingLoader(_Loader):
    """Serves batches of image files, decoded by worker processes that work ahead.

    Args:
        files: what the order is of.
        finish: augments and normalises a batch.
        order: see :class:`EpochOrder`.
        decoding: size, channels and fit mode each file is decoded to.
        workers: decoding processes; none decodes a batch when it is asked for.
    """

    def __init__(
        self,
        files: Files,
        finish: Finish,
        order: EpochOrder,
        decoding: Decoding,
        *,
        workers: int,
    ) -> None:
        super().__init__(finish, order)
        self._labels = files.labels
        self._loader: DataLoader[Any] = DataLoader(  # its workers use one thread each
            Decoder(files, decoding, workers * _AHEAD * order.batch_size),
            sampler=_Batches(order),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_AHEAD if workers else None,
            persistent_workers=workers > 0,
            pin_memory=finish.device.type == "cuda",
            generator=torch.Generator(),  # else it draws from the run's, and changes its dropout
        )

    def _batches(self) -> Iterator[Batch]:
        for packet in self._loader:
            if packet.reasons:
                raise DataError(packet.reasons[0])
            yield packet.pixels, self._labels[packet.index]


class _Batches:
    """An order as a sampler whose samples are batches: each worker decodes whole batches."""

    def __init__(self, order: EpochOrder) -> None:
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.order)
