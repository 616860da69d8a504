"""The data module of semantic segmentation: one for every data set and format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fovea.augment.joint import IGNORED, Joint
from fovea.augment.none import Identity
from fovea.augment.protocol import Augmentation
from fovea.config.errors import ConfigError, DataError, did_you_mean
from fovea.config.types import (
    Folds,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    Pixels,
    PositiveFloat,
    PositiveInt,
    Seed,
    Unscientific,
    height_and_width,
)
from fovea.data.base import Data, Found, Inputs, PartName
from fovea.data.image.decode import decode
from fovea.data.image.loaders import Finish
from fovea.data.image.memory import GIB, allowance
from fovea.data.image.source import ImageFile, Spec
from fovea.data.image.statistics import channel_statistics
from fovea.data.image.unseen import find_given
from fovea.data.order import EpochOrder
from fovea.data.parts import Part, Protocol, ValidateOn, require_batch, split_parts
from fovea.data.segmentation.loader import Held, MaskLoader
from fovea.data.segmentation.source import MaskSource, Pair, Pairs
from fovea.data.segmentation.weights import border_weights, inverse_frequency

_CHUNK = 64  # images counted at once
_CLASSES = 4  # listed of each part

Parts = Mapping[str, Part[Held]]


class SegmentationData(Data):
    """Serves one set of images with masks to Lightning.

    The set is held in memory as uint8, labels included, and gathered batch by batch on the training
    device.

    Args:
        source: finds its images and masks.
        root: data root; the data set's own folder lies below it.
        val_fraction, test_fraction, validate_on, split_seed, folds, fold: as of
            :class:`~fovea.data.image.module.ImageData`; images are drawn at random.
        normalize: ``computed`` (from the training part) or ``none``.
        size: height and width, or the side of squares, to which every image (bilinearly) and mask
            (nearest pixel) is resized; ``None``: all have one size.
        class_weights: how much the pixels of a class count in training: all 1, or by the inverse of
            its share of the training part's pixels.
        objects: the class whose connected components are objects, if one is.
        border_weight: w0 of the weight of training pixels between objects, see
            :func:`~fovea.data.segmentation.weights.border_weights`; it is added to that of the
            class.
        border_sigma: its σ in pixels.
        skip_bad: leave out and count images and masks that cannot be decoded, instead of stopping.
        augment: applied to each training batch.
        batch_size: images per optimizer step on one device.
        seed: the run's seed; sample order and augmentation are functions of it and the epoch.
        channels_last: serve images in channels_last memory format.
    """

    def __init__(
        self,
        source: MaskSource,
        root: Unscientific[str],
        val_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.2,
        validate_on: ValidateOn = "validation",
        split_seed: Seed = 0,
        folds: Folds | None = None,
        fold: NonNegativeInt = 0,
        normalize: Literal["computed", "none"] = "computed",
        size: Pixels | None = None,
        class_weights: Literal["none", "inverse_frequency"] = "none",
        objects: str | None = None,
        border_weight: NonNegativeFloat = 0.0,
        border_sigma: PositiveFloat = 5.0,
        skip_bad: bool = False,
        augment: Augmentation | Joint | None = None,
        batch_size: PositiveInt = 8,
        seed: Seed = 0,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.source = source
        self.root = Path(root).expanduser()
        self.protocol = Protocol(val_fraction, test_fraction, validate_on, split_seed, folds, fold)
        self.normalize = normalize
        self.size = None if size is None else height_and_width(size)
        self.class_weights = class_weights
        self.objects = objects
        self.border_weight = border_weight
        self.border_sigma = border_sigma
        self.skip_bad = skip_bad
        self.augment = _joint(augment)
        self.batch_size = batch_size
        self.seed = seed
        self.channels_last = channels_last
        self._channels: int | None = None
        self._parts: _Parts | None = None
        self._on_device: dict[tuple[str, torch.device], Held] = {}
        if border_weight and objects is None:
            raise ConfigError("data.border_weight needs data.objects, the class of the objects")

    @cached_property
    def spec(self) -> Spec:
        return self.source.spec(self.root)

    @property
    def offers(self) -> Mapping[str, Any]:
        """``num_classes``, ``in_channels``, names of the ``classes``, the label of ``objects``."""
        classes = self.spec.classes
        if self.objects is not None and self.objects not in classes:
            near = did_you_mean(self.objects, classes)
            raise ConfigError(f"data.objects={self.objects}: no class of this set{near}")
        return {
            "num_classes": len(classes),
            "in_channels": self.spec.channels,
            "classes": classes,
            "objects": None if self.objects is None else classes.index(self.objects),
        }

    def serve(self, inputs: Mapping[str, Any]) -> None:
        """Decode images to the channels that the network asks for."""
        classes = len(self.spec.classes)
        outputs = inputs.get("num_classes", classes)
        if outputs is None or outputs < classes:
            raise ConfigError(f"model.num_classes={outputs}: the data has {classes} classes")
        self._channels = inputs.get("in_channels", self.spec.channels)
        if self._channels not in (1, 3):
            raise ConfigError(f"model.in_channels={self._channels}: images have 1 or 3 channels")

    @property
    def channels(self) -> Literal[1, 3]:
        """Of the images served."""
        return 1 if (self._channels or self.spec.channels) == 1 else 3

    @property
    def example(self) -> tuple[Tensor, ...]:
        height, width = (
            self.size or _decoded(self._pairs.parts["train"][0].image, 3, None).shape[:2]
        )
        return (torch.empty(1, self.channels, height, width, device="meta"),)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the bytes of every image and mask, in order."""
        return self._fingerprint

    @cached_property
    def _pairs(self) -> Pairs:
        return self.source.read(self.root, skip_bad=self.skip_bad)

    @cached_property
    def _fingerprint(self) -> str:
        digest = sha256()
        for part, pairs in self._pairs.parts.items():
            digest.update(f"{part} {len(pairs)}".encode())
            for pair in pairs:
                digest.update(sha256(pair.image.read()).digest())
                digest.update(sha256(pair.mask.read()).digest())
        return digest.hexdigest()

    @property
    def sizes(self) -> Mapping[str, int]:
        return {name: len(part) for name, part in self._ready.parts.items()}

    @property
    def skipped(self) -> Sequence[str]:
        return self._ready.skipped

    @property
    def found(self) -> Found:
        return self._ready.found

    @property
    def validates_on_test(self) -> bool:
        return self.protocol.validate_on == "test"

    def samples(self, part: PartName) -> list[str] | None:
        """Return file name and a digest of the image of each sample."""
        chosen = self._ready.parts[part]
        files = [chosen.of.pairs[row].image for row in chosen.rows.tolist()]
        return [f"{file.name} {sha256(file.read()).hexdigest()[:12]}" for file in files]

    def pictures(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        test = self._ready.parts["test"]
        return list(test.of.pixels[test.rows[list(rows)]].numpy())

    def describe(self) -> dict[str, Any]:
        ready = self._ready
        height, width = ready.held["train"].masks.shape[1:]
        served = {"channels": self.channels, "size": [height, width]}
        statistics = {"mean": ready.mean, "std": ready.std}
        return super().describe() | {
            "classes": list(self.spec.classes),
            "served": served | statistics,
        }

    @classmethod
    def read(cls, described: Mapping[str, Any], given: Sequence[str]) -> Iterator[Inputs]:
        """Yield images of any format that Pillow reads, resized to the size of the run's."""
        served = described["served"]
        finish = Finish(served["mean"], served["std"], torch.device("cpu"), Identity(), False)
        for path in find_given(given):
            file = ImageFile(str(path), path)
            pixels = _decoded(file, served["channels"], height_and_width(served["size"]))
            images = finish(torch.tensor(pixels)[None], torch.Generator())
            yield Inputs([str(path)], (images,), [pixels])

    def setup(self, stage: str | None = None) -> None:
        if self._parts is None:
            self._parts = self._read()

    def loader(self, part: PartName, *, train: bool = False) -> Iterable[Any]:
        chosen, trainer = self._ready.parts[part], self.trainer
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        order = EpochOrder.for_trainer(
            trainer, chosen.rows, self.batch_size, self.seed, shuffle=train
        )
        finish = Finish(self._ready.mean, self._ready.std, device, Identity(), self.channels_last)
        held = self._held(chosen.source, device)
        if not train:
            return MaskLoader(Held(held.pixels, held.masks), order, finish)
        weights = None
        if self.class_weights == "inverse_frequency":
            weights = torch.from_numpy(inverse_frequency(self._ready.pixels))
        return MaskLoader(held, order, finish, self.augment, weights)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the images behind: another process reads them again."""
        state = {key: value for key, value in vars(self).items() if key != "_pairs"}
        return state | {"_parts": None, "_on_device": {}}

    @property
    def _ready(self) -> _Parts:
        self.setup()
        assert self._parts is not None
        return self._parts

    def _held(self, part: str, device: torch.device) -> Held:
        if (part, device) not in self._on_device:
            self._on_device[part, device] = self._ready.held[part].to(device)
        return self._on_device[part, device]

    def _read(self) -> _Parts:
        skipped: list[str] = []
        held = {name: self._decode(pairs, skipped) for name, pairs in self._pairs.parts.items()}
        parts = split_parts(held, self.protocol, classes=("image",))
        train = parts["train"]
        require_batch(train, self.batch_size)
        counts = {name: self._count(part) for name, part in parts.items()}
        mean, std = [0.0] * self.channels, [1.0] * self.channels
        if self.normalize == "computed":
            pixels = train.of.pixels
            mean, std = channel_statistics(pixels[rows] for rows in train.rows.split(_CHUNK))
        if self.border_weight:
            held[train.source] = self._with_borders(train)
        return _Parts(
            parts=parts,
            held=held,
            mean=mean,
            std=std,
            pixels=counts["train"][:-1],
            found=self._found(parts, counts),
            skipped=skipped,
        )

    def _decode(self, pairs: Sequence[Pair], skipped: list[str]) -> Held:
        """Decode a part's images and masks; add to what is skipped why the others could not be."""
        coding = self.source.coding()
        kept: list[Pair] = []
        pixels: list[NDArray[np.uint8]] = []
        masks: list[NDArray[np.uint8]] = []
        allowed = allowance("auto", torch.device("cpu"))
        for pair in pairs:
            try:
                image, mask = _decoded(pair.image, self.channels, None), coding.read(pair.mask)
                _require_same_size(mask, pair.mask, image, "its image")
                if self.size:
                    image = _resized(image, self.size, Image.Resampling.BILINEAR)
                    mask = _resized(mask, self.size, Image.Resampling.NEAREST)
            except DataError as error:
                if not self.skip_bad:
                    raise
                skipped.append(str(error))
                continue
            if pixels:
                _require_same_size(image, pair.image, pixels[0], f"{kept[0].image.name}")
            kept.append(pair)
            pixels.append(image)
            masks.append(mask)
            if (needed := len(pairs) * (image.nbytes + mask.nbytes)) > allowed:
                raise DataError(
                    f"{needed / GIB:.2f} GiB of images and masks, {allowed / GIB:.2f} GiB allowed: "
                    "a set is held in memory; set a smaller data.size=[height,width]"
                )
        if not kept:
            raise DataError(f"no image can be used: {skipped[0]}")
        return Held(torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(masks)), kept)

    def _count(self, part: Part[Held]) -> NDArray[np.int64]:
        """Count the pixels of each class in a part, and last those that are ignored."""
        masks = part.of.masks[part.rows].numpy()
        counts = np.bincount(masks.reshape(-1), minlength=IGNORED + 1)
        return np.append(counts[: len(self.spec.classes)], counts[IGNORED])

    def _with_borders(self, train: Part[Held]) -> Held:
        held, label = train.of, self.offers["objects"]
        borders = torch.zeros(held.masks.shape, dtype=torch.float16)
        for row in train.rows.tolist():
            weights = border_weights(
                held.masks[row].numpy() == label, self.border_weight, self.border_sigma
            )
            borders[row] = torch.from_numpy(weights)
        return replace(held, borders=borders)

    def _found(self, parts: Parts, counts: Mapping[str, NDArray[np.int64]]) -> Found:
        classes = self.spec.classes
        notes = [*self._pairs.notes]
        notes += [_described(name, part, classes, counts[name]) for name, part in parts.items()]
        absent = [name for name, count in zip(classes, counts["train"], strict=False) if not count]
        return Found(
            notes,
            _copies(parts),
            [f"no training pixel is of class '{name}'" for name in absent],
        )


@dataclass(frozen=True)
class _Parts:
    parts: Parts  # train, test and, if there is one, val
    held: Mapping[str, Held]  # the source's parts
    mean: list[float]
    std: list[float]
    pixels: NDArray[np.int64]  # of each class in the training part
    found: Found
    skipped: Sequence[str]


def _described(
    name: str, part: Part[Held], classes: Sequence[str], counts: NDArray[np.int64]
) -> str:
    """Return a line on a part: its images, their size, and the share of each class."""
    height, width = part.of.pixels.shape[1:3]
    *labelled, ignored = counts.tolist()
    shares = [
        f"{each} {count / max(1, sum(labelled)):.1%}"
        for each, count in zip(classes, labelled, strict=True)
    ]
    if len(shares) > _CLASSES + 1:
        shares = [*shares[:_CLASSES], f"… {len(shares) - _CLASSES} more"]
    if ignored:
        shares.append(f"{ignored / counts.sum():.1%} of all pixels ignored")
    origin = f" ({part.origin})" if part.origin else ""
    return f"{name} {len(part)}{origin} of {width}×{height}: {', '.join(shares)}"


def _copies(parts: Parts) -> list[str]:
    """Return a line for each part that holds images of the training part again."""
    content = {}
    for name, part in parts.items():
        pixels = part.of.pixels.numpy()
        content[name] = [sha256(pixels[row].tobytes()).digest() for row in part.rows.tolist()]
    seen = set(content["train"])
    words = {"val": "validation", "test": "test"}
    return [
        f"{count} of {len(content[name])} {word} images are copies of training images"
        for name, word in words.items()
        if (count := sum(each in seen for each in content.get(name, ())))
    ]


def _decoded(file: ImageFile, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return pixels ``(H, W, C)`` of an image file."""
    image = decode(file, 1 if channels == 1 else 3)
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    return pixels if size is None else _resized(pixels, size, Image.Resampling.BILINEAR)


def _resized(
    pixels: NDArray[np.uint8], size: tuple[int, int], how: Image.Resampling
) -> NDArray[np.uint8]:
    """Resize pixels ``(H, W)`` or ``(H, W, C)`` to ``(height, width)``."""
    height, width = size
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2:] == (1,) else pixels)
    return np.asarray(image.resize((width, height), how)).reshape(height, width, *pixels.shape[2:])


def _require_same_size(
    pixels: NDArray[np.uint8], file: ImageFile, others: NDArray[np.uint8], name: str
) -> None:
    (height, width), (high, wide) = pixels.shape[:2], others.shape[:2]
    if (height, width) != (high, wide):
        remedy = "" if name == "its image" else "; set data.size=[height,width] to resize all"
        raise DataError(f"{file.name}: {width}×{height} pixels, {name} {wide}×{high}{remedy}")


def _joint(augment: Augmentation | Joint | None) -> Joint | None:
    if augment is None or isinstance(augment, Identity):
        return None
    if isinstance(augment, Joint):
        return augment
    raise ConfigError(
        f"augment: {type(augment).__name__} moves images and leaves their masks; set augment=warp "
        "or augment=none"
    )
