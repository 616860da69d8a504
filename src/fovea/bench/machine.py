"""What the machine can do at most, and what a network asks of it."""

from __future__ import annotations

import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

_SIDE = 2048  # of the square matrices: large enough for the peak, small enough for any machine
_SECONDS = 0.3


def gemm_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Return the best rate of a large matrix product, in FLOP/s (a multiply-add counts as two).

    The best, because whatever else the machine does can only slow a product down.
    """
    a = torch.randn(_SIDE, _SIDE, device=device).to(dtype)
    b = torch.randn(_SIDE, _SIDE, device=device).to(dtype)
    seconds: list[float] = []
    torch.mm(a, b)
    while sum(seconds) < _SECONDS or len(seconds) < 5:
        _wait(device)
        started = time.perf_counter()
        torch.mm(a, b)
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * _SIDE**3 / min(seconds)


def training_flops(model: nn.Module, channels: int, image_size: int) -> float:
    """Return the FLOPs of one training step per image: forward, and backward to every weight.

    Matrix products and convolutions count, a multiply-add as two; the rest is not counted.
    """
    batch = 2  # batch norm has no variance of one
    images = torch.zeros(batch, channels, image_size, image_size)
    counter = FlopCounterMode(display=False)
    with counter:
        logits = model(images)
        F.cross_entropy(logits, torch.zeros(batch, dtype=torch.long)).backward()
    return counter.get_total_flops() / batch


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
