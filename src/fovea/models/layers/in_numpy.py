"""The operations of a convolutional network, written out in NumPy from their definitions.

Clarity comes before speed: these are what the fast ones are read beside and tested against. An
image is ``(C, H, W)``; kernels and strides are square.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def output_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> int:
    """Count the places a kernel takes along one axis: ⌊(size + 2·padding − reach) / stride⌋ + 1.

    Args:
        size: pixels along the axis.
        kernel: weights along the axis; they reach over ``dilation·(kernel − 1) + 1`` pixels.
        stride: pixels between neighbouring places.
        padding: pixels added at both ends.
        dilation: pixels between neighbouring weights.
        ceil_mode: also count a last place that hangs over the end, if it starts within the image.

    Returns:
        The number of places, 0 where the kernel does not fit.
    """
    room = size + 2 * padding - (dilation * (kernel - 1) + 1)
    places = room // stride + 1
    overhang = ceil_mode and room % stride > 0 and places * stride < size + padding
    return max(0, places + overhang)


def conv2d(
    image: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Array:
    """Convolve as networks do, without flipping the kernel (cross-correlation).

    ``out[o, y, x] = bias[o] + Σ weight[o, c, i, j] · image[c, y·stride + i·dilation, x·stride +
    j·dilation]``, summed over ``c, i, j``, in an image with ``padding`` zeros around it.

    Args:
        image: ``(C_in, H, W)``.
        weight: ``(C_out, C_in, K, K)``.
        bias: ``(C_out,)``.

    Returns:
        ``(C_out, H_out, W_out)``, see :func:`output_size`.

    Raises:
        ValueError: the shapes do not belong together, or the kernel does not fit.
    """
    if weight.ndim != 4 or image.ndim != 3 or weight.shape[1] != image.shape[0]:
        raise ValueError(f"weight {weight.shape} does not belong to image {image.shape}")
    out = _empty(len(weight), image, weight.shape[-1], stride, padding, dilation)
    padded = _pad(image, padding, value=0.0)
    for (y, x), window in _windows(padded, out, weight.shape[-1], stride, dilation):
        out[:, y, x] = (weight * window).sum(axis=(1, 2, 3))
    return out if bias is None else out + bias[:, None, None]


def max_pool2d(image: Array, kernel: int, stride: int | None = None, padding: int = 0) -> Array:
    """Keep the largest value of every window; the padding is never the largest.

    Args:
        image: ``(C, H, W)``.
        stride: ``kernel`` where not given, so that windows do not overlap.

    Returns:
        ``(C, H_out, W_out)``.

    Raises:
        ValueError: the kernel does not fit.
    """
    stride = stride or kernel
    out = _empty(len(image), image, kernel, stride, padding)
    for (y, x), window in _windows(_pad(image, padding, value=-np.inf), out, kernel, stride):
        out[:, y, x] = window.max(axis=(1, 2))
    return out


def average_pool2d(image: Array, kernel: int, stride: int | None = None, padding: int = 0) -> Array:
    """Average every window; zeros of the padding are counted.

    Arguments, result and errors as in :func:`max_pool2d`.
    """
    stride = stride or kernel
    out = _empty(len(image), image, kernel, stride, padding)
    for (y, x), window in _windows(_pad(image, padding, value=0.0), out, kernel, stride):
        out[:, y, x] = window.mean(axis=(1, 2))
    return out


def global_average_pool(image: Array) -> Array:
    """Average every map of ``(C, H, W)`` to one number; returns ``(C,)``."""
    return image.mean(axis=(1, 2))


def conv_parameters(in_channels: int, out_channels: int, kernel: int, *, bias: bool = True) -> int:
    """Count a convolution's weights (and biases): they do not depend on the image's size."""
    return out_channels * (in_channels * kernel**2 + bias)


def linear_parameters(in_features: int, out_features: int, *, bias: bool = True) -> int:
    """Count a fully connected layer's weights (and biases)."""
    return out_features * (in_features + bias)


def conv_macs(in_channels: int, out_channels: int, kernel: int, output_size: int) -> int:
    """Count a convolution's multiplications for one image with maps of ``output_size`` squared."""
    return conv_parameters(in_channels, out_channels, kernel, bias=False) * output_size**2


def _empty(
    channels: int, image: Array, kernel: int, stride: int, padding: int, dilation: int = 1
) -> Array:
    height, width = (
        output_size(side, kernel, stride, padding, dilation) for side in image.shape[1:]
    )
    if height == 0 or width == 0:
        raise ValueError(f"a kernel of {kernel} does not fit image {image.shape}")
    return np.empty((channels, height, width), dtype=image.dtype)


def _pad(image: Array, padding: int, value: float) -> Array:
    return np.pad(image, ((0, 0), (padding, padding), (padding, padding)), constant_values=value)


def _windows(
    image: Array, out: Array, kernel: int, stride: int, dilation: int = 1
) -> Iterator[tuple[tuple[int, int], Array]]:
    """Yield each place of ``out`` with the window of ``image`` it looks at, ``(C, K, K)``."""
    reach = dilation * (kernel - 1) + 1
    for y, x in np.ndindex(out.shape[1:]):
        top, left = y * stride, x * stride
        yield (y, x), image[:, top : top + reach : dilation, left : left + reach : dilation]
