"""What a network costs: parameters and multiplications."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def count_macs(model: nn.Module, *inputs: Tensor) -> int:
    """Count the multiply-accumulates of convolutions and linear layers for one sample.

    A copy runs in evaluation mode on the meta device: nothing is computed, and neither the model
    nor a random state is touched.

    Args:
        model: maps the inputs to anything.
        inputs: of one sample, on the meta device; real numbers take the network's precision.
    """
    copy = deepcopy(model).to("meta").eval()
    dtype = next((weights.dtype for weights in copy.parameters()), None)
    given = [each.to(dtype) if each.is_floating_point() else each for each in inputs]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy(*given)
    return counter.get_total_flops() // 2
