"""Decoding: every mode Pillow reads becomes 8-bit grey or RGB, and a broken file is named."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fovea.config.errors import DataError
from fovea.data.image.decode import decode, decode_many
from fovea.data.image.source import Files, ImageFile

NOISE = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)


def rgb(data: bytes) -> list[Any]:
    """Decode to nested lists of RGB pixels."""
    return np.asarray(decode(ImageFile("a", data), 3)).tolist()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_decode_exactly(
    encode: Callable[..., bytes], kind: str, options: dict[str, Any]
) -> None:
    assert rgb(encode(NOISE, kind, **options)) == NOISE.tolist()


def test_grey_is_luma_and_rgb_of_grey_repeats_it(encode: Callable[..., bytes]) -> None:
    red = encode(Image.new("RGB", (1, 1), (255, 0, 0)))
    assert np.asarray(decode(ImageFile("a", red), 1)).tolist() == [[76]]  # 0.299 × 255
    grey = encode(Image.new("L", (1, 1), 9))
    assert rgb(grey) == [[[9, 9, 9]]]


def test_transparency_is_composited_on_white(encode: Callable[..., bytes]) -> None:
    half = encode(Image.new("RGBA", (1, 1), (0, 0, 0, 51)))
    assert rgb(half) == [[[204, 204, 204]]]
    grey = encode(Image.new("LA", (1, 1), (10, 0)))
    assert rgb(grey) == [[[255, 255, 255]]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([1, 2, 3, 4, 5, 6])
    palette.putdata([0, 1])
    assert rgb(encode(palette)) == [[[1, 2, 3], [4, 5, 6]]]
    assert rgb(encode(palette, transparency=0)) == [[[255, 255, 255], [4, 5, 6]]]


def test_16_bits_keep_the_upper_8(encode: Callable[..., bytes]) -> None:
    deep = np.array([[0x00FF, 0x0100, 0xFFFF]], np.uint16)
    for kind in ("PNG", "TIFF", "PPM"):
        assert [pixel[0] for pixel in rgb(encode(deep, kind))[0]] == [0, 1, 255]


def test_other_modes(encode: Callable[..., bytes]) -> None:
    assert rgb(encode(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "TIFF")) == [[[255, 0, 0]]]
    assert rgb(encode(Image.new("1", (1, 1), 1))) == [[[255, 255, 255]]]
    frames = [Image.new("RGB", (1, 1), (level, 0, 0)) for level in (200, 100)]
    assert rgb(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])) == [[[200, 0, 0]]]


def test_the_exif_orientation_is_applied(encode: Callable[..., bytes]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    picture = np.array([[[1, 1, 1], [2, 2, 2]]], np.uint8)
    assert rgb(encode(picture, "PNG", exif=exif)) == [[[1, 1, 1]], [[2, 2, 2]]]


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("PNG", lambda data: data[:-40]),
        ("JPEG", lambda data: data[: len(data) // 2]),
        ("WEBP", lambda data: data[: len(data) // 2]),
        ("PNG", lambda data: data[:60] + bytes(40) + data[100:]),
        ("PNG", lambda data: b""),
        ("PNG", lambda data: b"<html>not found</html>"),
    ],
)
def test_a_broken_file_is_named(
    encode: Callable[..., bytes], kind: str, damage: Callable[[bytes], bytes]
) -> None:
    broken = ImageFile("cats/7.png", damage(encode(NOISE, kind)))
    with pytest.raises(DataError, match=r"^cats/7\.png: cannot be decoded as an image"):
        decode(broken, 3)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.array([[0.5]], np.float32), "floating-point values"),
        (np.array([[70_000]], np.int32), "wider than 16 bits"),
    ],
)
def test_values_without_a_known_range_are_refused(
    encode: Callable[..., bytes], picture: np.ndarray, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        decode(ImageFile("a.tif", encode(picture, "TIFF")), 1)


def test_a_decompression_bomb_is_refused(
    encode: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(NOISE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 24 - 1)
    with pytest.raises(DataError, match=r"^a: cannot be decoded"):
        decode(ImageFile("a", data), 3)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(hello) show\n%%EOF\n"


@pytest.mark.parametrize(
    "data",
    [
        EPS,
        b"%PDF-1.4\n",
        b"8BPS\0\1" + bytes(40),
        b"SIMPLE  =  T" + bytes(80),
        b"\x89HDF\r\n\x1a\n",
    ],
    ids=["EPS", "PDF", "PSD", "FITS", "HDF5"],
)
def test_readers_of_other_formats_are_not_reached(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    Image.init()
    for kind, (_, accept) in [*Image.OPEN.items()]:
        if kind not in (
            "PNG",
            "JPEG",
            "WEBP",
            "BMP",
            "DIB",
            "GIF",
            "TIFF",
            "PPM",
            "JPEG2000",
            "AVIF",
        ):
            monkeypatch.setitem(Image.OPEN, kind, (lambda *_: reached.append(1), accept))
    with pytest.raises(
        DataError, match=r"^1\.png: cannot be decoded .*none of PNG, JPEG, WEBP, BMP"
    ):
        decode(ImageFile("1.png", data), 3)
    assert reached == []


@pytest.mark.parametrize("kind", ["BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000", "JPEG", "MPO"])
def test_formats_in_use_are_read_whatever_the_name(encode: Callable[..., bytes], kind: str) -> None:
    picture = Image.new("RGB", (8, 8), (200, 200, 200))
    assert rgb(encode(picture, kind)) == [[[200] * 3] * 8] * 8


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Build a PNG of these chunks."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        sum_ = zlib.crc32(kind + content)
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sum_)
    return data


GREY_PIXEL = (b"IHDR", struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "data",
    [
        png((b"IHDR", struct.pack(">2I5B", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0)), (b"IDAT", b"")),
        png((b"IHDR", struct.pack(">2I5B", 30_000, 30_000, 8, 0, 0, 0, 0)), (b"IDAT", b"")),
        png(GREY_PIXEL, (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26))), (b"IDAT", b"")),
        png(GREY_PIXEL, (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2**26))), (b"IDAT", b"")),
        b"P5 999999 999999 255\n",
        b"GIF89a" + struct.pack("<2H3B", 65535, 65535, 0, 0, 0) + b",",
        b"BM"
        + struct.pack("<3I", 0, 0, 54)
        + struct.pack("<I2i2H6I", 40, 2**30, 2**30, 1, 24, *[0] * 6),
    ],
    ids=["PNG", "PNG below the error", "PNG text", "PNG text 2", "PGM", "GIF", "BMP"],
)
def test_a_small_file_that_claims_much_takes_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"^a\.png: cannot be decoded as an image") as refusal:
            decode(ImageFile("a.png", data), 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**24
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("target", ["/dev/zero", "."])
def test_only_regular_files_are_read(tmp_path: Path, target: str) -> None:
    (tmp_path / "1.png").symlink_to(target)
    with pytest.raises(DataError, match=r"^cats/1\.png: not a regular file but a (device|folder)$"):
        decode(ImageFile("cats/1.png", tmp_path / "1.png"), 3)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"^cats/1\.png: not a regular file but a pipe$"):
        decode(ImageFile("cats/1.png", tmp_path / "1.png"), 3)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cats/1\.png: No such file"):
        decode(ImageFile("cats/1.png", tmp_path / "1.png"), 3)


def test_many_files_become_one_tensor_and_bad_ones_are_listed(
    encode: Callable[..., bytes],
) -> None:
    items = [ImageFile(f"{level}", encode(np.full((2, 2), level, np.uint8))) for level in range(4)]
    items[1] = ImageFile("broken", b"")
    items[2] = ImageFile("large", encode(np.zeros((3, 4), np.uint8)))
    files = Files(items, torch.arange(4))
    pixels, kept, skipped = decode_many(files, [3, 2, 1, 0], size=(2, 2), channels=1, skip_bad=True)
    assert pixels.shape == (2, 2, 2, 1)
    assert pixels[:, 0, 0, 0].tolist() == kept == [3, 0]
    assert skipped[0] == "large: 4×3 pixels, expected 2×2"
    assert skipped[1].startswith("broken: cannot be decoded")
    with pytest.raises(DataError, match="large: 4×3 pixels"):
        decode_many(files, [3, 2], size=(2, 2), channels=1, skip_bad=False)
    shrunk, *_ = decode_many(
        files, [2], size=(2, 2), channels=3, fit=lambda image: image.resize((2, 2)), skip_bad=False
    )
    assert shrunk.shape == (1, 2, 2, 3)
