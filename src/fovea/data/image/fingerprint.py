"""A data set's identity: SHA-256 over its content, beside the names of its classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from torch import Tensor

from fovea.data.image.source import Images, Splits


def fingerprint(splits: Splits, twins: dict[int, int] | None = None) -> str:
    """Return the SHA-256 of everything that can change a result, as hex.

    That is, for each part, pixels (or, for files, each file's bytes), shapes, labels and their
    order. File names, class names and compression are not in it.

    Args:
        splits: the set.
        twins: if given, receives of each file whose bytes occurred before the first such file;
            both counted over the files of all parts.

    Raises:
        DataError: an image file cannot be read.
    """
    digest = sha256()
    seen: dict[bytes, int] = {}
    count = 0
    for name, part in splits.parts.items():
        if isinstance(part, Images):
            digest.update(f"{name} images {tuple(part.pixels.shape)}".encode())
            digest.update(_buffer(part.pixels))
        else:
            digest.update(f"{name} files {len(part)}".encode())
            for file in part.items:
                content = sha256(file.read()).digest()
                digest.update(content)
                first = seen.setdefault(content, count)
                if twins is not None and first != count:
                    twins[count] = first
                count += 1
        digest.update(_buffer(part.labels))
    return digest.hexdigest()


def data_difference(recorded: Mapping[str, Any], fingerprint: str, classes: Sequence[str]) -> str:
    """Return in what data differs from what a record describes; '' for in nothing.

    Args:
        recorded: the record's ``data.json``; what it does not say is not compared.
        fingerprint: of the data as it is now.
        classes: of the data as it is now, in label order.
    """
    before = recorded.get("fingerprint") or fingerprint
    if before != fingerprint:
        return f"its fingerprint was {before[:12]} and is {fingerprint[:12]}"
    old, new = _composed(recorded.get("classes") or classes), _composed(classes)
    if old != new:
        return f"its classes were {_listed(old, new)} and are {_listed(new, old)}"
    return ""


def _composed(names: Sequence[str]) -> list[str]:
    return [unicodedata.normalize("NFC", name) for name in names]


def _listed(names: Sequence[str], others: Sequence[str], count: int = 3) -> str:
    """Return the first names from where two lists differ."""
    same = 0
    while same < min(len(names), len(others)) and names[same] == others[same]:
        same += 1
    listed = ", ".join(names[same : same + count])
    return ("… " if same else "") + listed + (" …" if same + count < len(names) else "")


def _buffer(values: Tensor) -> memoryview:
    return values.contiguous().numpy().data
