"""What the tests of several formats share."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture
def encode() -> Encode:
    """Encode an image, or an array of pixels, as the bytes of an image file."""

    def encode(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    return encode


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Take away the right to write below a folder; in the end nothing may have changed there."""
    locked: dict[Path, set[Path]] = {}

    def folders(root: Path) -> list[Path]:
        return [path for path in (root, *root.rglob("*")) if path.is_dir()]

    def lock(root: Path) -> None:
        locked[root] = set(root.rglob("*"))
        for folder in folders(root):
            folder.chmod(0o555)

    yield lock
    for root, before in locked.items():
        for folder in folders(root):
            folder.chmod(0o755)
        assert set(root.rglob("*")) == before
