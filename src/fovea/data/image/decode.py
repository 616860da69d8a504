"""Decoding of image files, with an error that names the file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from fovea.config.errors import DataError
from fovea.data.image.source import Files, ImageFile

warnings.simplefilter("error", Image.DecompressionBombWarning)  # caught, as every error is

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")


def decode(file: ImageFile, channels: Literal[1, 3], bits: int = 16) -> Image.Image:
    """Decode one image file to 8 bits a channel.

    The EXIF orientation is applied, transparency is composited on white, 16-bit grey keeps the
    upper 8 of the bits in use, an animation gives its first frame, and RGB becomes grey by ITU-R
    601 luma.

    Args:
        file: PNG, JPEG, WebP, BMP, GIF, TIFF, PNM, JPEG 2000 or AVIF, whatever its name. Pillow's
            readers of other formats (EPS starts a program, others were never meant for strangers'
            files) are not reached.
        channels: 1 gives mode ``L``, 3 gives mode ``RGB``.
        bits: in use in 16-bit grey images, 8 to 16; higher values become white.

    Raises:
        DataError: truncated, corrupt, of more than ``PIL.Image.MAX_IMAGE_PIXELS`` pixels, or with
            values wider than 16 bits.
    """
    mode = "L" if channels == 1 else "RGB"
    return load(file, lambda image: _eight_bits(image, bits).convert(mode))


def load(file: ImageFile, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Load one image file as it is stored, the EXIF orientation applied, and convert it.

    Raises:
        DataError: as :func:`decode`, or ``convert`` raised an error of any type.
    """
    data = file.read()
    try:
        with Image.open(io.BytesIO(data), formats=formats()) as image:
            _check_area(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return convert(image)
    except Exception as error:  # Pillow's decoders raise many types on corrupt data
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"none of {', '.join(formats())}" if unknown else error
        raise DataError(
            f"{file.name}: cannot be decoded as an image ({reason}); "
            "replace it or set data.skip_bad=true"
        ) from error


def decode_many(
    files: Files,
    index: Sequence[int],
    size: tuple[int, int],
    channels: Literal[1, 3],
    fit: Callable[[Image.Image], Image.Image] | None = None,
    bits: int = 16,
    *,
    skip_bad: bool,
) -> tuple[Tensor, list[int], list[str]]:
    """Decode some of a part's files into one tensor.

    Args:
        files: the part they are of.
        index: which of them.
        size: height and width every image has to have, in pixels.
        channels: see :func:`decode`.
        fit: gives an image that size; without it, they have to have it already.
        bits: see :func:`decode`.
        skip_bad: leave out what cannot be decoded.

    Returns:
        uint8 pixels ``(M, height, width, channels)``, the index of each, and the reason for each
        file left out.

    Raises:
        DataError: a file is corrupt or of another size, and ``skip_bad`` is false.
    """
    height, width = size
    pixels = np.empty((len(index), height, width, channels), np.uint8)
    kept: list[int] = []
    skipped: list[str] = []
    for item in index:
        file = files.items[item]
        try:
            image = decode(file, channels, bits)
            image = image if fit is None else fit(image)
            if image.size != (width, height):
                found = "×".join(map(str, image.size))
                raise DataError(f"{file.name}: {found} pixels, expected {width}×{height}")
        except DataError as error:
            if not skip_bad:
                raise
            skipped.append(str(error))
            continue
        pixels[len(kept)] = np.asarray(image).reshape(height, width, channels)
        kept.append(item)
    return torch.from_numpy(pixels[: len(kept)]), kept, skipped


@cache
def formats() -> tuple[str, ...]:
    """Return the formats of image files that this Pillow was built to read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_area(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ValueError(f"{image.width}×{image.height} pixels, more than the {limit:,} allowed")


def _eight_bits(image: Image.Image, bits: int) -> Image.Image:
    """Return an image without transparency and with at most 8 bits a channel."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("values wider than 16 bits")
        return Image.fromarray(np.minimum(values >> (bits - 8), 0xFF).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point values")
    if image.has_transparency_data:
        visible = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), visible)
    return image
