"""What a network costs: parameters and multiplications."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fovea.config.errors import ConfigError, one_line


def count_parameters(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def count_macs(model: nn.Module, *inputs: Tensor) -> int:
    """Count the multiply-accumulates of convolutions and linear layers for one sample.

    A copy runs in evaluation mode on the meta device, where nothing is computed; one that looks at
    its values runs on the CPU. Neither the model nor a random state is touched. A layer that
    computes more than it has weights for says how many it lacks as ``unconnected_weights``.

    Args:
        model: maps the inputs to anything.
        inputs: of one sample, on the meta device; real numbers take the network's precision.

    Raises:
        ConfigError: the network cannot take such inputs.
    """
    dtype = next((weights.dtype for weights in model.parameters()), None)
    reason = ""
    for device in ("meta", "cpu"):
        copy = deepcopy(model).to(device).eval()
        without_weights = _without_weights(copy)
        given = [
            torch.zeros(each.shape, dtype=dtype if each.is_floating_point() else each.dtype)
            for each in inputs
        ]
        try:
            with (
                torch.no_grad(),
                torch.random.fork_rng(devices=[]),
                FlopCounterMode(display=False) as counter,
            ):
                copy(*(each.to(device) for each in given))
            return counter.get_total_flops() // 2 - sum(without_weights)
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}", 160)
    shapes = " and ".join(str(tuple(each.shape)) for each in inputs)
    raise ConfigError(f"model: {type(model).__name__} cannot take the data, of {shapes}: {reason}")


def _without_weights(model: nn.Module) -> list[int]:
    """Return what gets, as a network runs, each layer's multiplications by weights it lacks."""
    found: list[int] = []
    for layer in model.modules():
        if lacking := getattr(layer, "unconnected_weights", 0):
            layer.register_forward_hook(
                lambda *of, lacking=lacking: found.append(lacking * of[2][0, 0].numel())
            )
    return found
