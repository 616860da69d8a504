"""The feature maps between a network's layers."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import cast

from torch import Tensor, nn

from fovea.models.protocol import Classifier


def feature_maps(model: nn.Module, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a classifier and keep the outputs of its ``feature_layers``, gradients attached.

    Args:
        model: a :class:`Classifier`, in the mode (training, evaluation) it should run in.
        images: ``(N, C, H, W)``.

    Returns:
        The network's output, and its maps by layer name in order of depth: ``(N, C, H, W)``, or
        ``(N, F)`` after fully connected layers.
    """
    maps: dict[str, Tensor] = {}

    def keep(name: str, _layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps[name] = output

    with ExitStack() as hooks:
        for name in cast("Classifier", model).feature_layers:
            hook = model.get_submodule(name).register_forward_hook(partial(keep, name))
            hooks.enter_context(hook)
        output = model(images)
    return output, maps
