"""How large a network's maps are."""

from __future__ import annotations

from itertools import count

from torch import nn

from fovea.config.errors import ConfigError
from fovea.config.types import Pixels, as_pixels, height_and_width
from fovea.models.layers.in_numpy import output_size


def map_size(chain: nn.Module, image_size: Pixels) -> tuple[int, int]:
    """Return height and width of the last maps that a chain of layers makes of images.

    Args:
        chain: convolutions and unpadded poolings in the order they run in; other layers keep the
            size.
        image_size: side of the images in pixels, or ``[height, width]``.

    Raises:
        ConfigError: nothing would be left of the images; says which size is enough.
    """
    sides = height_and_width(image_size)
    height, width = (_final_side(chain, side, axis) for axis, side in enumerate(sides))
    if not (height and width):
        given = as_pixels(*sides)
        enough = as_pixels(*(_enough(chain, side, axis) for axis, side in enumerate(sides)))
        raise ConfigError(
            f"model.image_size={given}: too small for the network, whose layers need {enough} "
            f"pixels; set model.image_size={enough} or more to have the images resized"
        )
    return height, width


def _enough(chain: nn.Module, side: int, axis: int) -> int:
    return next(larger for larger in count(side) if _final_side(chain, larger, axis))


def _final_side(chain: nn.Module, side: int, axis: int) -> int:
    for layer in chain.modules():
        match layer:
            case nn.Conv2d(kernel_size=tuple(kernel), stride=tuple(stride), padding=tuple(padding)):
                side = output_size(side, kernel[axis], stride[axis], padding[axis])
            case (
                nn.MaxPool2d(kernel_size=int(kernel), stride=int(stride), ceil_mode=ceil_mode)
                | nn.AvgPool2d(kernel_size=int(kernel), stride=int(stride), ceil_mode=ceil_mode)
            ):
                side = output_size(side, kernel, stride, ceil_mode=ceil_mode)
    return side
