"""How many of their 16 bits a set's images use: instruments of 10 to 14 bits write such files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from fovea.config.regular import open_regular
from fovea.data.image.decode import formats
from fovea.data.image.source import Files, ImageFile

FULL = 16  # bits
_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS = (b"II*\0", b"MM\0*", b"P", b"\0\0\0\x0cjP", b"\xff\x4f")  # TIFF, PNM, JPEG 2000
_HALF = {True: 2 ** (FULL - 1), False: 2**7}  # of the range of grey values, and of coloured ones
_HEAD = 26  # bytes, to the depth and the colour type of a PNG file


@dataclass(frozen=True)
class Depth:
    """What the 16-bit images of a training part use of their range; ``None`` without such images.

    Args:
        highest: value in the grey ones, 0 to 65,535.
        highest_colour: value in the coloured ones, of which Pillow keeps the upper 8 bits, 0 to
            255.
    """

    highest: int | None = None
    highest_colour: int | None = None

    @property
    def bits(self) -> int:
        """Bits that hold the highest grey value, 8 to 16: the upper 8 of them are kept."""
        return FULL if self.highest is None else max(8, self.highest.bit_length())

    @property
    def warnings(self) -> list[str]:
        """What is unusual about the values."""
        lines = []
        if self.highest is not None and self.highest < _HALF[True]:
            lines.append(
                f"the 16-bit images use {self.bits} bits (highest value {self.highest} of 65535): "
                f"scaled so that {2**self.bits - 1} is white"
            )
        if self.highest_colour is not None and self.highest_colour < _HALF[False]:
            lines.append(
                "the 16-bit colour images stay below half of their range (highest value "
                f"{self.highest_colour} of 255 in 8 bits): rescale them before training"
            )
        return lines


def measure_depth(files: Files) -> Depth:
    """Measure the values of a training part's 16-bit files; other files cost a look at their head.

    Values are no longer read once half the range is reached: all 16 bits are used. Files that
    cannot be read are left out; decoding reports them.
    """
    highest: dict[bool, int] = {}  # by whether the image is grey
    for file in files.items:
        try:
            head = _head(file)
            if not (_is_deep_png(head) or head.startswith(_OTHERS)):
                continue
            with Image.open(io.BytesIO(file.read()), formats=formats()) as image:
                grey = image.mode.startswith("I")
                if not (grey or _is_deep_png(head) or FULL in _bits_per_sample(image)):
                    continue
                before = highest.get(grey, 0)
                if before < _HALF[grey]:
                    highest[grey] = max(before, _highest(image if grey else image.convert("RGB")))
        except Exception:  # Pillow's decoders raise many types on corrupt data
            continue
    return Depth(highest.get(True), highest.get(False))


def _head(file: ImageFile) -> bytes:
    if isinstance(file.content, bytes):
        return file.content[:_HEAD]
    with open_regular(file.content) as opened:
        return opened.read(_HEAD)


def _is_deep_png(head: bytes) -> bool:
    return head.startswith(_PNG) and len(head) == _HEAD and head[24] == FULL


def _bits_per_sample(image: Image.Image) -> tuple[int, ...]:
    tags: Any = getattr(image, "tag_v2", {})
    return tuple(tags.get(258, ()))


def _highest(image: Image.Image) -> int:
    values = np.asarray(image)
    return 0 if values.min() < 0 else int(min(values.max(), 2**FULL - 1))
