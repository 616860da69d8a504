"""16-bit images that use few of their bits: what is measured, and the pixels it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import arange

from fovea.data.image.decode import decode
from fovea.data.image.depth import Depth, measure_depth
from fovea.data.image.source import Files, ImageFile

Encode = Callable[..., bytes]


def files(*contents: bytes | Path) -> Files:
    items = [ImageFile(str(number), content) for number, content in enumerate(contents)]
    return Files(items, arange(len(items)))


def grey(*values: int) -> np.ndarray:
    return np.array([values], np.uint16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize(
    ("highest", "bits"),
    [(0, 8), (200, 8), (255, 8), (256, 9), (3411, 12), (4095, 12), (4096, 13), (65535, 16)],
)
def test_bits_hold_the_highest_value_of_all_files(
    encode: Encode, kind: str, highest: int, bits: int
) -> None:
    depth = measure_depth(files(encode(grey(0, 0), kind), encode(grey(0, highest), kind)))
    assert depth == Depth(highest=highest)
    assert depth.bits == bits


@pytest.mark.parametrize(
    ("bits", "pixels"),
    [(8, [0, 255, 255, 255]), (12, [0, 15, 255, 255]), (16, [0, 0, 15, 255])],
)
def test_the_upper_8_of_these_bits_are_kept(encode: Encode, bits: int, pixels: list[int]) -> None:
    file = ImageFile("a", encode(grey(0, 255, 4095, 65535)))
    assert np.asarray(decode(file, 1, bits)).tolist() == [pixels]


def test_values_are_not_read_once_half_the_range_is_reached(
    encode: Encode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "8 bits.png").write_bytes(encode(np.zeros((2, 2), np.uint8)))
    loads: list[str] = []
    monkeypatch.setattr(np, "asarray", lambda image: loads.append(image.mode) or np.array(image))
    contents = [tmp_path / "8 bits.png", encode(grey(9)), encode(grey(0x8000)), encode(grey(1))]
    assert measure_depth(files(*contents)) == Depth(highest=0x8000)
    assert loads == ["I;16", "I;16"]


def test_files_of_8_bits_and_broken_ones_have_no_depth(encode: Encode, tmp_path: Path) -> None:
    eight = [encode(np.full((2, 2), 9, np.uint8), kind) for kind in ("PNG", "TIFF", "PPM", "JPEG")]
    depth = measure_depth(files(*eight, encode(grey(7))[:40], tmp_path / "gone.png"))
    assert (depth.highest, depth.bits, depth.warnings) == (None, 16, [])


def test_coloured_ones_are_measured_by_their_upper_8_bits() -> None:
    depth = measure_depth(files(_deep_colour(0x0FFF), _deep_colour(0x07FF)))
    assert depth == Depth(highest_colour=0x0F)
    assert depth.bits == 16
    assert depth.warnings == [
        "the 16-bit colour images stay below half of their range (highest value 15 of 255 in 8 "
        "bits): rescale them before training"
    ]
    assert measure_depth(files(_deep_colour(0x8000))).warnings == []


def test_what_is_said_of_few_bits() -> None:
    assert Depth(highest=3411).warnings == [
        "the 16-bit images use 12 bits (highest value 3411 of 65535): scaled so that 4095 is white"
    ]
    assert Depth(highest=0x8000).warnings == []


def _deep_colour(value: int) -> bytes:
    """One pixel of a PNG file of 16 bits a channel, which Pillow reads but does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">HHH", value, 0, 0))
    chunks = (b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)
