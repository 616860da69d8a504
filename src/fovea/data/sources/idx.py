"""The idx format of MNIST and the sets made in its likeness (LeCun, Cortes, Burges 1998)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fovea.config.errors import DataError
from fovea.config.types import Unscientific
from fovea.data.image.source import Images, Source, Spec, Splits
from fovea.data.sources.storage import fetch, find, missing, read_bytes

_UBYTE = 0x08


@dataclass(frozen=True)
class Idx(Source):
    """Grey images in ``{train,t10k}-images-idx3-ubyte``, labels in ``…-labels-idx1-ubyte``.

    The files lie in ``folder``, its ``raw/`` or, as torchvision leaves them, ``<any>/raw/``; plain,
    ``.gz`` or ``.xz``. A damaged file is damaged as a whole, so ``skip_bad`` changes nothing.

    Args:
        folder: below the data root.
        classes: names in label order.
        download_as: torchvision's name of the set; ``None`` where it cannot be downloaded.
    """

    folder: str
    classes: Sequence[str]
    download_as: Unscientific[Literal["MNIST", "FashionMNIST"] | None] = None

    def spec(self, root: Path) -> Spec:
        path = self._find(root, "train-images-idx3-ubyte")
        _, height, width = _shape(path, dimensions=3)
        return Spec(classes=tuple(self.classes), channels=1, image_size=(height, width))

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        train, test = (self._part(root, prefix) for prefix in ("train", "t10k"))
        sizes = ["×".join(map(str, part.pixels.shape[1:3])) for part in (train, test)]
        if sizes[0] != sizes[1]:
            raise DataError(f"{root / self.folder}: {sizes[0]} in train, {sizes[1]} in t10k")
        return Splits(train=train, test=test)

    def download(self, root: Path) -> None:
        """Fetch the four files with torchvision's addresses and checksums.

        Raises:
            DataError: no known address, no network, or no permission to write.
        """
        if self.download_as is None:
            raise DataError(f"{root / self.folder}: no known address; put the idx files there")
        import torchvision.datasets  # 4 s

        dataset = getattr(torchvision.datasets, self.download_as)
        raw = root / self.folder / self.download_as / "raw"
        for name, md5 in dataset.resources:
            if find(name.removesuffix(".gz"), self._folders(root)) is None:
                fetch([mirror + name for mirror in dataset.mirrors], raw / name, md5)

    def _folders(self, root: Path) -> list[Path]:
        folder = root / self.folder
        return [folder, folder / "raw", *sorted(folder.glob("*/raw"))]

    def _find(self, root: Path, name: str) -> Path:
        path = find(name, self._folders(root))
        if path is None:
            can_fetch = self.download_as is not None
            raise missing(f"{name}[.gz|.xz]", root / self.folder, downloadable=can_fetch)
        return path

    def _part(self, root: Path, prefix: str) -> Images:
        pixels = _read_array(self._find(root, f"{prefix}-images-idx3-ubyte"), dimensions=3)
        path = self._find(root, f"{prefix}-labels-idx1-ubyte")
        labels = _read_array(path, dimensions=1)
        if len(labels) != len(pixels):
            raise DataError(f"{path}: {len(labels)} labels for {len(pixels)} images")
        unknown = np.flatnonzero(labels >= len(self.classes))
        if len(unknown):
            first = unknown[0]
            raise DataError(
                f"{path}: label {labels[first]} of image {first} is outside "
                f"0–{len(self.classes) - 1}"
            )
        return Images(
            pixels=torch.from_numpy(pixels[..., np.newaxis]),
            labels=torch.from_numpy(labels.astype(np.int64)),
        )


def _shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """Return the shape an idx header declares: 00 00, type, dimensions, then big-endian sizes."""
    size = 4 + 4 * dimensions
    header = read_bytes(path, size)
    if len(header) < size:
        raise DataError(f"{path}: {len(header)} bytes are too few for an idx header of {size}")
    magic, *shape = struct.unpack_from(f">{1 + dimensions}I", header)
    expected = _UBYTE << 8 | dimensions
    if magic != expected:
        raise DataError(f"{path}: magic number 0x{magic:08x}, expected 0x{expected:08x}")
    if not prod(shape):
        raise DataError(f"{path}: empty (the header's shape is {'×'.join(map(str, shape))})")
    return tuple(shape)


def _read_array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    shape = _shape(path, dimensions)
    header, claimed = 4 + 4 * dimensions, prod(shape)
    body = np.frombuffer(read_bytes(path, header + claimed + 1), np.uint8, offset=header)
    if body.size != claimed:
        found = "more" if body.size > claimed else body.size
        raise DataError(
            f"{path}: the header claims {claimed} values ({'×'.join(map(str, shape))}), "
            f"the file holds {found}; replace the file"
        )
    return body.reshape(shape)
