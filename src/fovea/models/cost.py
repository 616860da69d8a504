"""What a network costs: parameters and multiplications."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def count_macs(model: nn.Module, in_channels: int, image_size: int) -> int:
    """Count the multiply-accumulates of convolutions and linear layers for one image.

    A copy runs in evaluation mode on the meta device: nothing is computed, and neither the model
    nor a random state is touched.

    Args:
        model: maps ``(N, C, H, W)`` to anything.
        in_channels: channels of the image.
        image_size: its side in pixels.
    """
    copy = deepcopy(model).to("meta").eval()
    dtype = next((weights.dtype for weights in copy.parameters()), None)
    image = torch.empty(1, in_channels, image_size, image_size, device="meta", dtype=dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy(image)
    return counter.get_total_flops() // 2
