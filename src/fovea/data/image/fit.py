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
        size: side in pixels.
        channels: 1 or 3.
        mode: how an image is fitted.
        bits: in use in 16-bit grey images.
    """

    size: int
    channels: int
    mode: FitMode
    bits: int = 16


def fit_images(pixels: Tensor, size: int, channels: int, mode: FitMode) -> Tensor:
    """Fit images of one size.

    Args:
        pixels: uint8, ``(N, H, W, C)``.
        size: side asked for, in pixels.
        channels: 1 turns RGB to grey (ITU-R 601 luma); grey stays one channel for 3, which a
            batch broadcasts.
        mode: ``pad`` centres a smaller image on zeros, ``resize`` scales it bilinearly with
            antialiasing, ``crop`` scales its shorter side and cuts the centre out. What ``pad``
            cannot hold is resized to fit.

    Returns:
        uint8, ``(N, size, size, C)``.
    """
    if channels == 1 and pixels.shape[3] == 3:
        luma = torch.tensor([0.299, 0.587, 0.114])
        pixels = torch.cat([(part.float() @ luma).round_() for part in pixels.split(_CHUNK)])
        pixels = pixels.to(torch.uint8).unsqueeze(3)
    height, width = pixels.shape[1:3]
    if (height, width) == (size, size):
        return pixels
    if mode == "pad" and max(height, width) <= size:
        top, left = (size - height) // 2, (size - width) // 2
        margins = (0, 0, left, size - width - left, top, size - height - top)
        return F.pad(pixels, margins)
    if mode == "crop" and height != width:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[:, top : top + side, left : left + side]
    return torch.cat([_resized(part, size) for part in pixels.split(_CHUNK)])


def decode_fitted(
    files: Files,
    index: Sequence[int],
    size: int,
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
        uint8 pixels ``(M, size, size, channels)``, the index of each, and the reason for each file
        left out.

    Raises:
        DataError: a file cannot be decoded, and ``skip_bad`` is false.
    """
    fit = partial(_fit_image, size=size, mode=mode)
    return decode_many(files, index, size, 1 if channels == 1 else 3, fit, bits, skip_bad=skip_bad)


def _resized(pixels: Tensor, size: int) -> Tensor:
    images = pixels.permute(0, 3, 1, 2).float()
    images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return images.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _fit_image(image: Image.Image, size: int, mode: FitMode) -> Image.Image:
    if image.size == (size, size):
        return image
    if mode == "crop":
        return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    if mode == "pad":
        if max(image.size) > size:
            image = _contained(image, size)
        return _centred(image, size)
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _contained(image: Image.Image, size: int) -> Image.Image:
    """Shrink an image until it fits a square; the thinnest keeps a pixel's width."""
    width, height = image.size
    if width > height:
        box = size, max(1, round(height / width * size))
    else:
        box = max(1, round(width / height * size)), size
    return image.resize(box, Image.Resampling.BILINEAR)


def _centred(image: Image.Image, size: int) -> Image.Image:
    field = Image.new(image.mode, (size, size))
    field.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return field
