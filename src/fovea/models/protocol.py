"""What a network promises its task."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from fovea.config.errors import ConfigError


@runtime_checkable
class Classifier(Protocol):
    """Maps images to logits, or headless to features.

    Attributes:
        num_features: width of the features that the last layer reads.
        feature_layers: submodules whose outputs are its feature maps, in order of depth.
    """

    num_features: int
    feature_layers: tuple[str, ...]

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to logits ``(N, num_classes)`` or features ``(N, num_features)``."""
        ...


def check_classifier(model: nn.Module) -> nn.Module:
    """Return ``model`` if it keeps a classifier's promises.

    Raises:
        ConfigError: it does not; the message names the promise.
    """
    name = type(model).__name__
    if not isinstance(model, Classifier):
        missing = [key for key in ("num_features", "feature_layers") if not hasattr(model, key)]
        raise ConfigError(
            f"model: {name} is no classifier: it has no {' and no '.join(missing)}; "
            "see fovea.models.protocol.Classifier"
        )
    modules = dict(model.named_modules())
    for layer in model.feature_layers:
        if layer not in modules:
            raise ConfigError(f"model: {name}.feature_layers names a missing layer: '{layer}'")
    return model
