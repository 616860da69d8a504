"""What several seeds say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import fmean


@dataclass(frozen=True)
class Measurement:
    """Mean and sample standard deviation (n − 1) over n runs; ``std`` is ``None`` at n = 1."""

    mean: float
    std: float | None
    n: int


def measure(values: Sequence[float]) -> Measurement | None:
    """Summarise the runs of a cell; ``None`` where there are none."""
    if not values:
        return None
    n, mean = len(values), fmean(values)
    # not statistics.stdev: on Python 3.11 it raises where a run diverged to NaN
    std = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else None
    return Measurement(mean, std, n)
