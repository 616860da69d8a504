"""How many runs it takes: to find a difference, and to show that there is none that matters.

Both take what was measured, difference and spread, for the truth; a few runs know either only
roughly, and so the count.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import fsum, sqrt

ALPHA = 0.05
POWER = 0.8
RUNS_CAP = 1000  # no estimate goes beyond it
FEWEST = 5  # below it, the spread that the estimate rests on is hardly known
_STEPS = 400  # of the integral over what the spread may be measured as


def runs_for_difference(effect: float, *, paired: bool) -> int | None:
    """Return the runs with which a t test finds a difference with power 0.8 at p < 0.05.

    Args:
        effect: the difference over the standard deviation: of the pairs' differences, or (for
            independent runs) the pooled one.
        paired: the test is paired.

    Returns:
        Runs of each cell, or pairs, in all: at least ``FEWEST``, at most ``RUNS_CAP + 1``, which is
        more than the cap; ``None`` without an effect.
    """
    if effect == 0:
        return None
    from statsmodels.stats.power import TTestIndPower, TTestPower

    test = TTestPower() if paired else TTestIndPower()

    def power(n: int) -> float:
        # one tail, the other's share being nil: SciPy's noncentral t has no number for it, nor for
        # a power of nearly one far out
        found = float(test.power(min(effect, 20.0), n, ALPHA / 2, alternative="larger"))
        return 1.0 if math.isnan(found) else found

    return _fewest(power, FEWEST)


def runs_for_equivalence(
    distance: float, margin: float, spreads: Sequence[float], fixed: float = 0.0
) -> int | None:
    """Return the runs with which equivalence is shown with power 0.8.

    It is shown where the 90 % t interval of the difference lies within the margin: two one-sided
    tests at 5 % each. The power is its probability over what the difference and the spread may be
    measured as, n being the same in each sample.

    Args:
        distance: the true difference.
        margin: how far the interval may reach.
        spreads: standard deviation of the runs of each sample that the difference is made of.
        fixed: a further standard error, which no more runs reduce.

    Returns:
        Runs of each sample in all, at least 3, at most ``RUNS_CAP + 1``, which is more than the
        cap; ``None`` where no number would do, the difference itself being at least the margin.
    """
    if abs(distance) >= margin:
        return None
    import numpy as np
    from scipy import stats

    variance = fsum(spread**2 for spread in spreads)
    share = 1.0 if variance == 0 else variance**2 / fsum(spread**4 for spread in spreads)
    levels = (np.arange(_STEPS) + 0.5) / _STEPS

    def power(n: int) -> float:
        error = sqrt(variance / n)
        if error == 0:
            return float(abs(distance) + 1.645 * fixed <= margin)
        degrees = (n - 1) * share
        measured = error * np.sqrt(stats.chi2.ppf(levels, degrees) / degrees)
        reach = margin - float(stats.t.ppf(1 - ALPHA, degrees)) * np.hypot(measured, fixed)
        inside = stats.norm.cdf((reach - distance) / error)
        inside -= stats.norm.cdf((-reach - distance) / error)
        return float(np.mean(np.where(reach > 0, inside, 0.0)))

    return _fewest(power, 3)


def _fewest(power: Callable[[int], float], least: int) -> int:
    counts = range(least, RUNS_CAP + 1)
    return least + bisect_left(counts, POWER, key=power)
