"""Convolutions one by one: how near each product is to the machine's peak, and what was tried."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# input channels, output channels, size of the input map, kernel, padding: two networks' layers.
LAYERS = (
    (64, 192, 15, 4, 1),
    (192, 384, 6, 3, 1),
    (384, 256, 6, 3, 1),
    (256, 256, 6, 3, 1),
    (16, 16, 32, 3, 1),
    (32, 32, 16, 3, 1),
    (64, 64, 8, 3, 1),
)
_ROUNDS = 7


def im2col_weight_gradient(images: Tensor, gradient: Tensor, kernel: int, padding: int) -> Tensor:
    """Return a convolution's weight gradient as one product of the unfolded input.

    Args:
        images: the layer's input, ``(N, C, H, W)`` in channels_last memory.
        gradient: of its output, ``(N, O, H', W')``, stride 1.
        kernel: side of the filters.
        padding: zeros around the input.

    Returns:
        ``(O, C, kernel, kernel)``.
    """
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    windows = padded.unfold(1, kernel, 1).unfold(2, kernel, 1).permute(0, 1, 2, 4, 5, 3)
    channels = images.shape[1]
    columns = windows.reshape(-1, kernel * kernel * channels)
    rows = gradient.permute(0, 2, 3, 1).reshape(len(columns), -1)
    product = rows.t() @ columns
    return product.view(-1, kernel, kernel, channels).permute(0, 3, 1, 2)


def measure_kernels(batch_size: int, dtype: torch.dtype = torch.bfloat16) -> dict[str, Any]:
    """Time the three products of each layer, and the weight gradient by im2col beside it.

    Returns:
        A row a layer: its shape, and FLOP/s of each.
    """
    rows = []
    for inputs, outputs, size, kernel, padding in LAYERS:
        x = torch.randn(batch_size, inputs, size, size).to(dtype)
        w = torch.randn(outputs, inputs, kernel, kernel).to(dtype)
        x, w = (each.contiguous(memory_format=torch.channels_last) for each in (x, w))
        y = F.conv2d(x, w, padding=padding)
        g = torch.randn_like(y)

        backward = partial(_backward, g, x, w, padding)
        kinds: dict[str, Callable[[], Any]] = {
            "forward": partial(F.conv2d, x, w, padding=padding),
            "input gradient": partial(backward, wanted=[True, False, False]),
            "weight gradient": partial(backward, wanted=[False, True, False]),
            "the same by im2col": partial(im2col_weight_gradient, x, g, kernel, padding),
        }
        flops = 2 * y.numel() * inputs * kernel**2
        seconds = _in_turns(kinds)
        rows.append(
            {
                "layer": f"{inputs}→{outputs}, {kernel}×{kernel} on {size}×{size}",
                "flops_per_second": {name: flops / taken for name, taken in seconds.items()},
            }
        )
    return {"batch_size": batch_size, "dtype": str(dtype).removeprefix("torch."), "layers": rows}


def _backward(g: Tensor, x: Tensor, w: Tensor, padding: int, wanted: list[bool]) -> Any:
    ones = [1, 1]
    return torch.ops.aten.convolution_backward(
        g, x, w, None, ones, [padding, padding], ones, False, [0, 0], 1, wanted
    )


def _in_turns(kinds: dict[str, Callable[[], Any]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(1 + _ROUNDS):
        for name, run in kinds.items():
            started = time.perf_counter()
            run()
            if number:
                taken[name].append(time.perf_counter() - started)
    return {name: median(seconds) for name, seconds in taken.items()}
