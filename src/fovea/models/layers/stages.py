"""The maps that a classifier makes stage by stage, for networks that are built upon them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from fovea.config.errors import ConfigError, one_line

Backbone = Callable[..., nn.Module]  # makes a classifier of num_classes and in_channels


class Stages(nn.Module):
    """The stem and the stages of a classifier, without what comes after them.

    Args:
        backbone: makes one of fovea's classifiers that has ``stages``.
        in_channels: channels of the images.
        output_stride: the most that the maps may be smaller than the images. Stages that would make
            them smaller keep their size, and the convolutions after them are dilated (Chen et al.
            2015, arXiv:1412.7062, section 3.1). ``None`` leaves all as they are.

    Attributes:
        channels: of the map of each stage.

    Raises:
        ConfigError: the network has no stages, or none that can be dilated.
    """

    def __init__(
        self, backbone: Backbone, in_channels: int, output_stride: int | None = None
    ) -> None:
        super().__init__()
        network = backbone(num_classes=None, in_channels=in_channels)
        name = type(network).__name__
        if not isinstance(stages := getattr(network, "stages", None), nn.Sequential):
            raise ConfigError(f"model.backbone: {name} has no stages")
        self.stem = getattr(network, "stem", nn.Identity())
        self.stages = stages
        if output_stride is not None:
            _dilate(stages, output_stride)
        image = torch.empty(1, in_channels, 64, 64, device="meta")
        try:
            self.channels = [maps.shape[1] for maps in deepcopy(self).to("meta").eval()(image)]
        except RuntimeError as error:  # shortcuts that skip pixels cannot be dilated
            reason = one_line(error, 120)
            raise ConfigError(f"model.backbone: {name} cannot be dilated ({reason})") from error

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the map of every stage."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


def _dilate(stages: nn.Sequential, output_stride: int) -> None:
    """Let stages beyond a stride keep the size of their maps."""
    stride = dilation = 1
    for stage in stages:
        halving = [layer for layer in stage.modules() if _halves(layer)]
        keeps = bool(halving) and 2 * stride > output_stride
        stride *= 2 if halving and not keeps else 1
        following = 2 * dilation if keeps else dilation
        for layer in stage.modules():
            halves = _halves(layer)
            if isinstance(layer, nn.Conv2d):
                if layer.kernel_size != (1, 1):
                    layer.dilation = (dilation, dilation)
                    layer.padding = (dilation, dilation)
                if halves and keeps:
                    layer.stride = (1, 1)
            elif isinstance(layer, nn.MaxPool2d) and halves and keeps:
                layer.kernel_size, layer.stride, layer.padding = 3, 1, 1
            if halves:
                dilation = following


def _halves(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d | nn.MaxPool2d) and layer.stride in (2, (2, 2))
