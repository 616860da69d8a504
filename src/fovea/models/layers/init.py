"""Initialisations, each for :meth:`torch.nn.Module.apply`; biases become 0."""

from __future__ import annotations

from torch import nn


def he_normal(module: nn.Module) -> None:
    """Draw weights from N(0, 2/fan_in), ReLU's gain (He et al., 2015, arXiv:1502.01852, eq. 10)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        _zero_bias(module)


def glorot_uniform(module: nn.Module) -> None:
    """Draw weights from U(±√(6 / (fan_in + fan_out))), Keras's default (Glorot & Bengio, 2010)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        _zero_bias(module)


def _zero_bias(module: nn.Conv2d | nn.Linear) -> None:
    if module.bias is not None:
        nn.init.zeros_(module.bias)
