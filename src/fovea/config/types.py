"""Types of config values. A constructor annotated with them is its own config schema.

``fovea.config.schema`` reads the annotations of whatever ``_target_`` names and checks the composed
config against them before torch is imported.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator, StringConstraints

T = TypeVar("T")
UNSCIENTIFIC = "unscientific"
Unscientific = Annotated[T, UNSCIENTIFIC]  # no value of it can change a run's numbers

PositiveInt = Annotated[int, Gt(0), Lt(2**31)]
NonNegativeInt = Annotated[int, Ge(0), Lt(2**31)]
Seed = Annotated[int, Ge(0), Lt(2**32)]  # as NumPy's generators take it
Epochs = Annotated[int, Ge(0), Le(1_000_000)]
Folds = Annotated[int, Ge(2), Le(1000)]  # of a cross-validation
Pixels = Annotated[int, Gt(0), Le(16_384)]  # a side of an image
Processes = Annotated[int, Gt(0), Le(1024)]  # or threads, or devices
Helpers = Annotated[int, Ge(0), Le(1024)]  # processes or threads beside the one that trains
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]  # [0, 1]
Fraction = Annotated[float, Ge(0), Lt(1)]  # [0, 1)


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
