"""How large a network's maps are."""

from __future__ import annotations

from itertools import count

from torch import nn

from fovea.config.errors import ConfigError
from fovea.models.layers.reference import output_size


def map_size(chain: nn.Module, image_size: int) -> int:
    """Return the side of the last maps that a chain of layers makes of square images.

    Args:
        chain: convolutions and unpadded poolings in the order they run in; other layers keep the
            size.
        image_size: side of the images in pixels.

    Raises:
        ConfigError: nothing would be left of the images; says which size is enough.
    """
    size = _final_size(chain, image_size)
    if size == 0:
        enough = next(larger for larger in count(image_size + 1) if _final_size(chain, larger))
        raise ConfigError(
            f"model.image_size={image_size}: too small for the network, whose layers need "
            f"{enough} pixels; set model.image_size={enough} or more to have the images resized"
        )
    return size


def _final_size(chain: nn.Module, size: int) -> int:
    for layer in chain.modules():
        match layer:
            case nn.Conv2d(kernel_size=(kernel, _), stride=(stride, _), padding=(padding, _)):
                size = output_size(size, kernel, stride, padding)
            case (
                nn.MaxPool2d(kernel_size=int(kernel), stride=int(stride), ceil_mode=ceil_mode)
                | nn.AvgPool2d(kernel_size=int(kernel), stride=int(stride), ceil_mode=ceil_mode)
            ):
                size = output_size(size, kernel, stride, ceil_mode=ceil_mode)
    return size
