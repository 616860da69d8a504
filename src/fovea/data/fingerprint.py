"""A data set's identity: SHA-256 over its content."""

from __future__ import annotations

from hashlib import sha256

from torch import Tensor

from fovea.data.source import Images, Splits


def fingerprint(splits: Splits) -> str:
    """Return the SHA-256 of everything that can change a result, as hex.

    That is, for each part, pixels (or, for files, each file's bytes), shapes, labels and their
    order. File names, class names and compression are not in it.

    Raises:
        DataError: an image file cannot be read.
    """
    digest = sha256()
    for name, part in splits.parts.items():
        if isinstance(part, Images):
            digest.update(f"{name} images {tuple(part.pixels.shape)}".encode())
            digest.update(_buffer(part.pixels))
        else:
            digest.update(f"{name} files {len(part)}".encode())
            for file in part.items:
                digest.update(sha256(file.read()).digest())
        digest.update(_buffer(part.labels))
    return digest.hexdigest()


def _buffer(values: Tensor) -> memoryview:
    return values.contiguous().numpy().data
