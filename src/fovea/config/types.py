"""Types of config values. A constructor annotated with them is its own config schema.

``fovea.config.schema`` reads the annotations of whatever ``_target_`` names and checks the composed
config against them before torch is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator, StringConstraints

from fovea.config.errors import ConfigError, shortened

T = TypeVar("T")
UNSCIENTIFIC = "unscientific"
Unscientific = Annotated[T, UNSCIENTIFIC]  # no value of it can change a run's numbers

PositiveInt = Annotated[int, Gt(0), Lt(2**31)]
NonNegativeInt = Annotated[int, Ge(0), Lt(2**31)]
Seed = Annotated[int, Ge(0), Lt(2**32)]  # as NumPy's generators take it
Epochs = Annotated[int, Ge(0), Le(1_000_000)]
Folds = Annotated[int, Ge(2), Le(1000)]  # of a cross-validation
Processes = Annotated[int, Gt(0), Le(1024)]  # or threads, or devices
Helpers = Annotated[int, Ge(0), Le(1024)]  # processes or threads beside the one that trains
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]  # [0, 1]
Fraction = Annotated[float, Ge(0), Lt(1)]  # [0, 1)

_MOST_PIXELS = 16_384  # a side


def _size(value: object) -> object:
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if not all(type(side) is int and 0 < side <= _MOST_PIXELS for side in sides):
        raise ValueError(f"should be a number or [height, width], 1 to {_MOST_PIXELS} pixels each")
    return value


Pixels = Annotated[int | Sequence[int], BeforeValidator(_size)]  # of an image; a square's is one


def height_and_width(size: Pixels) -> tuple[int, int]:
    """Return the sides of an image.

    Raises:
        ConfigError: it is no size.
    """
    try:
        _size(size)
    except ValueError as error:
        raise ConfigError(f"image size {shortened(size)}: {error}") from None
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def as_pixels(height: int, width: int) -> int | list[int]:
    """Return a size as configs and records state it: one number of a square."""
    return height if height == width else [height, width]


def _not_auto(value: object) -> object:
    if value == "auto":
        raise ValueError("no longer an option; set true or false")
    return value


NoLongerAuto = Annotated[bool, BeforeValidator(_not_auto)]

# What W&B takes
WandbTag = Annotated[str, StringConstraints(min_length=1, max_length=64)]
WandbProject = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^/\\#?%:]+$")
]
