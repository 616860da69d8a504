"""Batches of images and masks that are held on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fovea.augment.joint import IGNORED, Joint
from fovea.data.image.loaders import Finish
from fovea.data.order import AUGMENTATION, EpochOrder, mixed_seed
from fovea.data.segmentation.source import Pair


@dataclass(frozen=True)
class Held:
    """A part of a set, decoded; :class:`~fovea.data.parts.Labelled`, as if all were of one class.

    Args:
        pixels: uint8, ``(N, H, W, C)``.
        masks: uint8, ``(N, H, W)``.
        pairs: the files they were decoded from.
        borders: float16, ``(N, H, W)``, what is added to the weight of each pixel; ``None``: 0.
    """

    pixels: Tensor
    masks: Tensor
    pairs: Sequence[Pair] = ()
    borders: Tensor | None = None
    content: None = None
    groups: None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def labels(self) -> Tensor:
        return torch.zeros(len(self), dtype=torch.int64)

    def to(self, device: torch.device) -> Held:
        """Return it on a device."""
        borders = None if self.borders is None else self.borders.to(device)
        pixels, masks = self.pixels.to(device), self.masks.to(device)
        return replace(self, pixels=pixels, masks=masks, borders=borders)


class MaskLoader:
    """Serves batches ``(images, masks)``, or ``(images, masks, weights)``.

    They are float32 ``(N, C, h, w)``, int64 ``(N, h, w)`` and float32 ``(N, h, w)``. Order and
    augmentation are functions of (seed, epoch, rank, batch).

    Args:
        held: on the device.
        order: see :class:`~fovea.data.order.EpochOrder`.
        finish: normalises a batch.
        augment: moves images and masks; ``None`` leaves them as they are.
        class_weights: float32, ``(classes,)``; ``None`` serves no weights, unless there are
            borders.
    """

    def __init__(
        self,
        held: Held,
        order: EpochOrder,
        finish: Finish,
        augment: Joint | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        self.held = held
        self.order = order
        self.finish = finish
        self.augment = augment
        self._weights: Tensor | None = None
        if class_weights is not None:
            self._weights = torch.zeros(IGNORED + 1, device=held.masks.device)
            self._weights[: len(class_weights)] = class_weights

    def __len__(self) -> int:
        return len(self.order)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Go to a batch of an epoch; see :class:`~fovea.data.base.EpochLoader`."""
        self.order.set_epoch(epoch, start)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order, held = self.order, self.held
        generator = torch.Generator(held.masks.device)
        for number, chosen in enumerate(order, order.start):
            index = chosen.to(held.masks.device)
            images, masks = held.pixels[index].permute(0, 3, 1, 2), held.masks[index]
            borders = None if held.borders is None else held.borders[index].float()
            if self.augment is not None:
                stream = order.seed, order.epoch, order.rank, number, AUGMENTATION
                generator.manual_seed(mixed_seed(*stream))
                maps = [masks.float()] if borders is None else [masks.float(), borders]
                images, moved = self.augment.together(images, torch.stack(maps, dim=1), generator)
                masks, *rest = moved.unbind(dim=1)
                borders = rest[0] if rest else None
            masks = masks.long()
            batch = self.finish(images.permute(0, 2, 3, 1), generator), masks
            yield batch if (weights := self._of(masks, borders)) is None else (*batch, weights)

    def _of(self, masks: Tensor, borders: Tensor | None) -> Tensor | None:
        """Return the weight of each pixel."""
        if self._weights is None:
            return None if borders is None else 1 + borders
        weights = self._weights[masks]
        return weights if borders is None else weights + borders
