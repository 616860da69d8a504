"""A classifier's last layer."""

from __future__ import annotations

from torch import nn


def linear_head(features: int, num_classes: int | None) -> nn.Module:
    """Map ``(N, features)`` to logits; ``None`` leaves them as they are (headless)."""
    return nn.Identity() if num_classes is None else nn.Linear(features, num_classes)
