"""The data module of image classification: one for every data set and format.

A source reads a data set; the module splits it, fits its images to the network, and serves batches
of normalised ``(N, C, H, W)`` images and ``(N,)`` labels on the training device.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fovea.augment.none import Identity
from fovea.augment.protocol import Augmentation
from fovea.config.errors import ConfigError, DataError, did_you_mean
from fovea.config.types import (
    Folds,
    Fraction,
    Helpers,
    NonNegativeInt,
    Pixels,
    PositiveFloat,
    PositiveInt,
    Seed,
    Unscientific,
    as_pixels,
    height_and_width,
)
from fovea.data.base import Data, Found, Inputs, PartName
from fovea.data.image.cache import read_cached
from fovea.data.image.decoded import decode_in_order, decode_set
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.fit import Decoding, FitMode, decode_fitted, fit_images
from fovea.data.image.loaders import Finish, HostLoader, InMemoryLoader, StreamingLoader
from fovea.data.image.memory import GIB, allowance
from fovea.data.image.source import Downloadable, Files, Images, Source, Spec
from fovea.data.image.statistics import channel_statistics, flat_channels
from fovea.data.image.unseen import read_images
from fovea.data.inventory import Inventory, take_inventory
from fovea.data.order import EpochOrder
from fovea.data.parts import Part, Protocol, ValidateOn, require_batch, split_parts

log = logging.getLogger(__name__)

_CHUNK = 4096  # images counted at once

ImagePart = Part[Images | Files]


class ImageData(Data):
    """Serves one labelled image data set to Lightning.

    Args:
        source: reads the data set.
        root: data root; the data set's own folder lies below it.
        val_fraction: share of the training part held out for validation, stratified by class. A
            validation part of the data set's own is used instead where there is one.
        test_fraction: share held out for testing first, where the data set has no test part.
        validate_on: ``test`` validates on the test part, as some guides do; it is recorded as a
            protocol difference.
        split_seed: seed of these splits and of the folds; apart from the run's seed, so that runs
            with different seeds see the same ones.
        folds: of a cross-validation: the training part is dealt into so many, stratified by class;
            one of them is the test part, and the data set's own is not used. ``None`` is none.
        fold: that one, from 0.
        normalize: a name in ``constants``, ``computed`` (from the training part) or ``none``.
        constants: named per-channel ``mean`` and ``std`` on the 0–1 scale.
        fit: how an image becomes the network's size. ``pad``: zeros around a smaller image, and
            around a larger one that was shrunk until it fits; ``resize``: bilinear, aspect ratio
            not kept; ``crop``: scaled until it covers the size, centre cropped.
        image_size: side in pixels, or ``[height, width]``, for sources whose images have no common
            size, and only for them.
        skip_bad: leave out and count samples that cannot be decoded, instead of stopping.
        download: fetch the data set if it is missing and its source can.
        memory_limit: GiB of decoded pixels held on the device that serves the batches; ``auto`` is
            half of what is free there. A larger set stays on the host, in memory or on disk, and
            is moved batch by batch; image files that neither has room for are decoded in every
            epoch. The batches are the same.
        workers: processes that decode image files, or threads that gather batches on the host.
        augment: applied to each training batch.
        batch_size: images per optimizer step on one device.
        seed: the run's seed; sample order and augmentation are functions of it and the epoch.
        channels_last: serve batches in channels_last memory format.
    """

    def __init__(
        self,
        source: Source,
        root: Unscientific[str],
        val_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.2,
        validate_on: ValidateOn = "validation",
        split_seed: Seed = 0,
        folds: Folds | None = None,
        fold: NonNegativeInt = 0,
        normalize: str = "computed",
        constants: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
        fit: FitMode = "resize",
        image_size: Pixels | None = None,
        skip_bad: bool = False,
        download: Unscientific[bool] = False,
        memory_limit: Unscientific[Literal["auto"] | PositiveFloat] = "auto",
        workers: Unscientific[Helpers] = 2,
        augment: Augmentation | None = None,
        batch_size: PositiveInt = 128,
        seed: Seed = 0,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.source = source
        self.root = Path(root).expanduser()
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.validate_on: ValidateOn = validate_on
        self.split_seed = split_seed
        self.folds = folds
        self.fold = fold
        self.normalize = normalize
        self.constants = dict(constants or {})
        self.fit: FitMode = fit
        self.image_size = image_size
        self.skip_bad = skip_bad
        self.download = download
        self.memory_limit: float | Literal["auto"] = memory_limit
        self.workers = workers
        self.augment = augment or Identity()
        self.batch_size = batch_size
        self.seed = seed
        self.channels_last = channels_last
        self._served: tuple[int, tuple[int, int]] | None = None
        self._parts: _Parts | None = None
        self._on_device: dict[torch.device, dict[str, Images]] = {}
        known = [*self.constants, "computed", "none"]
        if normalize not in known:
            raise ConfigError(
                f"data.normalize={normalize}: unknown{did_you_mean(normalize, known)} "
                f"(known: {', '.join(known)})"
            )

    @cached_property
    def spec(self) -> Spec:
        """What the data set looks like, known before its images are read."""
        self.prepare_data()
        spec = self.source.spec(self.root)
        if len(spec.classes) < 2:
            raise DataError(f"one class only, '{''.join(spec.classes)}': nothing to tell apart")
        if spec.image_size is None:
            if self.image_size is None:
                raise ConfigError(
                    "data.image_size: images of any size need one; set it in pixels, to a "
                    "number or [height, width]"
                )
            return replace(spec, image_size=self.image_size)
        if self.image_size is not None:
            height, width = height_and_width(spec.image_size)
            raise ConfigError(
                f"data.image_size={self.image_size}: this set's images have {height}×{width} "
                "pixels; leave it out, and set model.image_size to scale them"
            )
        return spec

    @property
    def offers(self) -> Mapping[str, Any]:
        """``num_classes``, ``in_channels``, ``image_size`` and the names of the ``classes``."""
        return _offers(self.spec)

    @classmethod
    def offers_of(cls, described: Mapping[str, Any]) -> Mapping[str, Any]:
        spec = Spec(tuple(described["classes"]), described["channels"], described["image_size"])
        return _offers(spec)

    @classmethod
    def read(cls, described: Mapping[str, Any], given: Sequence[str]) -> Iterator[Inputs]:
        return read_images(described, given)

    def serve(self, inputs: Mapping[str, Any]) -> None:
        """Fit every image to what the network asks for: 1 or 3 channels, its height and width."""
        offered = self.offers
        outputs = inputs.get("num_classes", offered["num_classes"])
        if outputs is None or outputs < offered["num_classes"]:
            raise ConfigError(
                f"model.num_classes={outputs}: the data has {offered['num_classes']} classes"
            )
        channels = inputs.get("in_channels", offered["in_channels"])
        if channels not in (1, 3):
            raise ConfigError(f"model.in_channels={channels}: images have 1 or 3 channels")
        self._served = channels, height_and_width(inputs.get("image_size", offered["image_size"]))

    @property
    def example(self) -> tuple[Tensor, ...]:
        channels, size = self.served
        return (torch.empty(1, channels, *size, device="meta"),)

    def describe(self) -> dict[str, Any]:
        mean, std = self.statistics
        channels, size = self.served
        found = self.inventory
        return {
            "fingerprint": self.fingerprint,
            "classes": list(self.spec.classes),
            "channels": self.spec.channels,
            "image_size": self.spec.image_size,
            "sizes": self.sizes,
            "served": {
                "channels": channels,
                "image_size": as_pixels(*size),
                "fit": self.fit,
                "mean": mean,
                "std": std,
                "bits": self.decoding.bits,
            },
            "copies": None if found.copies is None else asdict(found.copies),
            "notes": [*found.notes, *found.deviations, *found.warnings],
            "skipped": self.skipped,
        }

    def state(self) -> tuple[str, tuple[str, ...]]:
        if self._parts is not None:
            return self.fingerprint, tuple(self.spec.classes)
        content = fingerprint(read_cached(self.source, self.root, skip_bad=self.skip_bad))
        return content, tuple(self.source.spec(self.root).classes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the data set's content, whatever its compression."""
        return self._ready.fingerprint

    @property
    def skipped(self) -> list[str]:
        """``file: reason`` of every sample left out."""
        return self._ready.skipped

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images in each part."""
        return {name: len(part) for name, part in self._ready.images.items()}

    @property
    def statistics(self) -> tuple[list[float], list[float]]:
        """Per-channel mean and standard deviation subtracted and divided by, on the 0–1 scale."""
        return self._ready.mean, self._ready.std

    @property
    def inventory(self) -> Inventory:
        """What was found in the data, and what of it is likely to spoil the numbers."""
        return self._ready.inventory

    @property
    def found(self) -> Found:
        found = self.inventory
        return Found(found.notes, found.deviations, found.warnings)

    @property
    def validates_on_test(self) -> bool:
        return self.validate_on == "test"

    @property
    def served(self) -> tuple[int, tuple[int, int]]:
        """Channels, and height and width in pixels, of the images served."""
        if self._served is None:  # no network has asked for anything
            return self.spec.channels, height_and_width(self.offers["image_size"])
        return self._served

    def samples(self, part: PartName) -> list[str] | None:
        """Return file name, or part and row, and a digest of the content, of each sample."""
        found = self._ready.images[part]
        if found.of.items is None:
            return self._ready.tested if part == "test" else None
        files = [found.of.items[row] for row in found.rows.tolist()]
        root = f"{self.root}{os.sep}"
        return [f"{file.name.removeprefix(root)} {_digest(file.read())}" for file in files]

    def pictures(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return images of the test part as served, uint8 ``(H, W, C)``."""
        test = self._ready.images["test"]
        chosen = test.rows[list(rows)]
        if isinstance(test.of, Files):
            pixels, _, _ = decode_fitted(test.of, chosen.tolist(), *self.decoding, skip_bad=True)
        else:
            pixels = test.of.pixels[chosen]
        return list(pixels.numpy())

    def prepare_data(self) -> None:
        if not self.download:
            return
        if not isinstance(self.source, Downloadable):
            raise ConfigError("data.download=true: this data set cannot be fetched automatically")
        self.source.download(self.root)

    def setup(self, stage: str | None = None) -> None:
        if self._parts is None:
            self._parts = self._read()

    def loader(self, part: PartName, *, train: bool = False) -> Iterable[Any]:
        return self._loader(part, self.augment if train else None, shuffle=train)

    def changed_loader(self, part: PartName, change: Augmentation) -> Iterable[Any]:
        """Return a part in order, each batch of pixels changed before it is normalised."""
        return self._loader(part, change)

    @property
    def _ready(self) -> _Parts:
        self.setup()
        assert self._parts is not None
        return self._parts

    def __getstate__(self) -> dict[str, Any]:
        """Leave the images behind: another process reads them again, from the cache if it can."""
        return vars(self) | {"_parts": None, "_on_device": {}}

    def _read(self) -> _Parts:
        decoded = decode_set(
            read_cached(self.source, self.root, skip_bad=self.skip_bad),
            self._decoding,
            skip_bad=self.skip_bad,
            workers=self.workers,
            limit=self.memory_limit,
        )
        protocol = Protocol(
            self.val_fraction,
            self.test_fraction,
            self.validate_on,
            self.split_seed,
            self.folds,
            self.fold,
        )
        parts = split_parts(decoded.splits.parts, protocol, self.spec.classes)
        require_batch(parts["train"], self.batch_size)
        decoding = self._decoding._replace(bits=decoded.depth.bits)
        mean, std = self._normalization(parts["train"], decoding)
        flat = flat_channels(self._pixels(parts["train"], decoding, workers=0))
        test = parts["test"]
        held = {name: self._fitted(part) for name, part in decoded.splits.parts.items()}
        parts = {name: replace(part, of=held[part.source]) for name, part in parts.items()}
        return _Parts(
            images=parts,
            mean=mean,
            std=std,
            fingerprint=decoded.fingerprint,
            inventory=take_inventory(
                parts,
                self.spec.classes,
                notes=decoded.splits.notes,
                warnings=[
                    *decoded.depth.warnings,
                    *(
                        f"channel {channel + 1} is {value} of 255 in every pixel of the training "
                        "images"
                        for channel, value in flat.items()
                    ),
                ],
            ),
            decoding=decoding,
            skipped=list(decoded.splits.skipped),
            mapped=decoded.mapped,
            tested=_named_rows(test),
        )

    def _fitted(self, part: Images | Files) -> Images | Files:
        if isinstance(part, Files):
            return part
        channels, size = self.served
        pixels = fit_images(part.pixels, size, channels, self.fit)
        return replace(part, pixels=pixels)

    @property
    def decoding(self) -> Decoding:
        """What image files are decoded to, with the bits that those of 16 use."""
        return self._ready.decoding

    @property
    def _decoding(self) -> Decoding:
        channels, size = self.served
        return Decoding(size, min(channels, self.spec.channels), self.fit)

    def _normalization(
        self, train: ImagePart, decoding: Decoding
    ) -> tuple[list[float], list[float]]:
        """Return mean and std for the channels served."""
        channels, _ = self.served
        if self.normalize == "none":
            return [0.0] * channels, [1.0] * channels
        if self.normalize == "computed":
            mean, std = channel_statistics(self._pixels(train, decoding))
        else:
            named = self.constants[self.normalize]
            mean, std = list(named["mean"]), list(named["std"])
        if len(mean) == channels:
            return mean, std
        if len(mean) == 1:
            return mean * channels, std * channels
        return [sum(mean) / len(mean)], [sum(std) / len(std)]  # RGB constants, grey network

    def _pixels(
        self, part: ImagePart, decoding: Decoding, workers: int | None = None
    ) -> Iterator[Tensor]:
        """Yield every image of a part, uint8 ``(n, H, W, C)``, a bounded number at a time."""
        if isinstance(part.of, Images):
            for rows in part.rows.split(_CHUNK):
                yield part.of.pixels[rows]
        else:
            workers = self.workers if workers is None else workers
            for pixels, _, _ in decode_in_order(
                part.of, part.rows.tolist(), decoding, skip_bad=False, workers=workers
            ):
                yield pixels

    def _loader(
        self, name: str, augment: Augmentation | None = None, *, shuffle: bool = False
    ) -> Iterable[Any]:
        part, trainer = self._ready.images[name], self.trainer
        finish = Finish(
            mean=self._ready.mean,
            std=self._ready.std,
            device=trainer.strategy.root_device if trainer else torch.device("cpu"),
            augment=augment or Identity(),
            channels_last=self.channels_last,
        )
        order = EpochOrder.for_trainer(
            trainer, part.rows, self.batch_size, self.seed, shuffle=shuffle
        )
        if isinstance(part.of, Files):
            return StreamingLoader(part.of, finish, order, self.decoding, workers=self.workers)
        if held := self._held(finish.device).get(part.source):
            return InMemoryLoader(held, finish, order)
        return HostLoader(part.of, finish, order, workers=self.workers)

    def _held(self, device: torch.device) -> dict[str, Images]:
        """Return the source's parts on a device, once for all loaders; none if they do not fit."""
        if device not in self._on_device:
            self._on_device[device] = self._move(device)
        return self._on_device[device]

    def _move(self, device: torch.device) -> dict[str, Images]:
        parts = {part.source: part.of for part in self._ready.images.values()}
        images = {name: part for name, part in parts.items() if isinstance(part, Images)}
        needed = sum(part.pixels.nbytes for part in images.values())
        allowed = allowance(self.memory_limit, device)
        if needed > allowed and (device.type != "cpu" or self._ready.mapped):
            log.info(
                "%.2f GiB of pixels, %.2f GiB allowed on %s: moved there batch by batch",
                needed / GIB,
                allowed / GIB,
                device,
            )
            return {}
        return {
            name: Images(part.pixels.to(device), part.labels.to(device))
            for name, part in images.items()
        }


def _offers(spec: Spec) -> dict[str, Any]:
    return {
        "num_classes": len(spec.classes),
        "in_channels": spec.channels,
        "image_size": spec.image_size,
        "classes": spec.classes,
    }


@dataclass(frozen=True)
class _Parts:
    images: dict[str, ImagePart]  # train, test and, if there is one, val
    mean: list[float]
    std: list[float]
    fingerprint: str
    inventory: Inventory
    decoding: Decoding
    skipped: list[str]
    mapped: bool  # the pixels are on disk, memory-mapped
    tested: list[str] | None  # what names each test sample that is no file


def _named_rows(part: ImagePart) -> list[str] | None:
    """Return part, row and digest of images that come from no files, as the set has them."""
    if part.of.items is not None or isinstance(part.of, Files):
        return None
    pixels = part.of.pixels.numpy()
    return [f"{part.source} {row} {_digest(pixels[row].tobytes())}" for row in part.rows.tolist()]


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:12]
