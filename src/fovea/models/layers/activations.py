"""Activation functions by name."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Activation = Literal["relu", "tanh", "sigmoid", "leaky_relu", "gelu", "silu"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def activation_layer(name: Activation) -> nn.Module:
    """Return a new layer, never in place, so that hooked feature maps stay what they were."""
    return _ACTIVATIONS[name]()


def activated_pool(name: Activation, pool: nn.Module | None) -> list[nn.Module]:
    """Return an activation followed by a pool, as layers in the cheapest order.

    A max-pool goes first where the activation never decreases: the function and its gradients are
    the same, and the activation has fewer values to map.
    """
    activation = activation_layer(name)
    if pool is None:
        return [activation]
    monotonic = name not in ("gelu", "silu")
    first = isinstance(pool, nn.MaxPool2d) and monotonic
    return [pool, activation] if first else [activation, pool]


class ScaledTanh(nn.Module):
    """1.7159 · tanh(2x/3), which maps ±1 to ±1 (LeCun et al., 1998, App. A). Any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * (x * (2 / 3)).tanh()
