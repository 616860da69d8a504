"""Images fitted to the size and the channels a network asks for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from fovea.data.image.decode import decode_many
from fovea.data.image.source import Files

FitMode = Literal["pad", "resize", "crop"]

_CHUNK = 4096  # images resized at once: bounds the float copy


class Decoding(NamedTuple):
    """What image files are decoded to.

    Args:
        size: height and width in pixels.
        channels: 1 or 3.
        mode: how an image is fitted.
        bits: in use in 16-bit grey images.
    """

    size: tuple[int, int]
    channels: int
    mode: FitMode
    bits: int = 16

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(H, W, C)`` of an image's pixels."""
        return *self.size, self.channels


def fit_images(pixels: Tensor, size: tuple[int, int], channels: int, mode: FitMode) -> Tensor:
    """Fit images of one size to another.

    Args:
        pixels: uint8, ``(N, H, W, C)``.
        size: height and width asked for, in pixels.
        channels: 1 turns RGB to grey (ITU-R 601 luma); grey stays one channel for 3, which a
            batch broadcasts.
        mode: ``pad`` centres a smaller image on zeros, and first shrinks what is larger until it
            fits; ``resize`` scales it bilinearly with antialiasing, aspect ratio not kept; ``crop``
            scales it until it covers the size, and cuts the centre out.

    Returns:
        uint8, ``(N, height, width, C)``.
    """
    if channels == 1 and pixels.shape[3] == 3:
        luma = torch.tensor([0.299, 0.587, 0.114])
        pixels = torch.cat([(part.float() @ luma).round_() for part in pixels.split(_CHUNK)])
        pixels = pixels.to(torch.uint8).unsqueeze(3)
    H, W = pixels.shape[1:3]
    height, width = size
    if size == (H, W):
        return pixels
    if mode == "pad":
        H, W = _contained(H, W, size)
        pixels = _resized(pixels, (H, W))
        top, left = (height - H) // 2, (width - W) // 2
        return F.pad(pixels, (0, 0, left, width - W - left, top, height - H - top))
    if mode == "crop":
        h = min(H, max(1, round(W * height / width)))  # of the largest window of that shape
        w = min(W, max(1, round(H * width / height)))
        top, left = (H - h) // 2, (W - w) // 2
        pixels = pixels[:, top : top + h, left : left + w]
    return _resized(pixels, size)


def decode_fitted(
    files: Files,
    index: Sequence[int],
    size: tuple[int, int],
    channels: int,
    mode: FitMode,
    bits: int = 16,
    *,
    skip_bad: bool,
) -> tuple[Tensor, list[int], list[str]]:
    """Decode some image files and fit each; see :func:`fit_images`.

    Args:
        files: the part they are of.
        index: which of them.
        size: see :class:`Decoding`, as the next three.

    Returns:
        uint8 pixels ``(M, height, width, channels)``, the index of each, and the reason for each
        file left out.

    Raises:
        DataError: a file cannot be decoded, and ``skip_bad`` is false.
    """
    fit = partial(_fit_image, size=size, mode=mode)
    return decode_many(files, index, size, 1 if channels == 1 else 3, fit, bits, skip_bad=skip_bad)


def _contained(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the sides of an image that is shrunk until it fits; the thinnest keeps a pixel."""
    most_height, most_width = size
    if height <= most_height and width <= most_width:
        return height, width
    if width * most_height > height * most_width:
        return max(1, round(height / width * most_width)), most_width
    return most_height, max(1, round(width / height * most_height))


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    if pixels.shape[1:3] == size:
        return pixels
    if size[1] == 1 < size[0]:  # torch 2.15 gets a column wrong, but no row
        return _resized(pixels.transpose(1, 2), (1, size[0])).transpose(1, 2)
    resized: list[Tensor] = []
    for part in pixels.split(_CHUNK):
        images = part.permute(0, 3, 1, 2).float()
        images = F.interpolate(images, size, mode="bilinear", antialias=True)
        images = images.round_().clamp_(0, 255).to(torch.uint8)
        resized.append(images.permute(0, 2, 3, 1).contiguous())
    return torch.cat(resized)


def _fit_image(image: Image.Image, size: tuple[int, int], mode: FitMode) -> Image.Image:
    height, width = size
    if image.size == (width, height):
        return image
    if mode == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    if mode == "pad":
        h, w = _contained(image.height, image.width, size)
        if image.size != (w, h):
            image = image.resize((w, h), Image.Resampling.BILINEAR)
        field = Image.new(image.mode, (width, height))
        field.paste(image, ((width - w) // 2, (height - h) // 2))
        return field
    return image.resize((width, height), Image.Resampling.BILINEAR)
