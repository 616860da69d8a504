"""What several seeds say together, and whether two cells differ.

SciPy and statsmodels are imported where they are used: training imports this module.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import fmean
from typing import Any, Literal

from fovea.tables.expressions import Reading

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8
SEEDS_CAP = 1000  # no estimate of needed seeds goes beyond it
_ROUNDING = 1e-6  # relative; metrics are float32: a smaller spread is none


@dataclass(frozen=True)
class Measurement:
    """Mean, sample standard deviation (n − 1) and 95 % t interval of the mean over n runs.

    ``std``, ``low`` and ``high`` are ``None`` at n = 1.
    """

    mean: float
    std: float | None
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One cell less another, over their seeds.

    Args:
        difference: of the means; over the shared seeds where it is paired.
        low, high: its 95 % interval; ``None`` without a spread to tell it by.
        p: of the t test that it is nought, uncorrected; ``None`` as above.
        n: pairs, or the runs of the smaller cell.
        paired: by seed; else it is Welch's test of independent runs.
        needed: seeds (pairs, or runs of each cell) that would show a difference of this size and
            spread with power 0.8 at p < 0.05; ``SEEDS_CAP + 1`` is more than that.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    paired: bool
    needed: int | None


@dataclass(frozen=True)
class Ratio:
    """The ratio of two cells' geometric means (of pairs, where they share two seeds or more).

    Args:
        value: the ratio.
        low, high: 95 % t interval of its logarithm, exponentiated; ``None`` without a spread.
        bound: ``>`` where the truth is more than ``value``, ``<`` where it is less.
    """

    value: float
    low: float | None
    high: float | None
    bound: Literal["", ">", "<"] = ""


def measure(values: Sequence[float], *, share: bool = False) -> Measurement | None:
    """Summarise the runs of a cell; ``None`` where there are none.

    Args:
        values: of each run.
        share: they lie between 0 and 1, and so does their mean: the interval ends there.
    """
    if not values:
        return None
    n, mean = len(values), fmean(values)
    if n == 1:
        return Measurement(mean, None, 1)
    # not statistics.stdev: on Python 3.11 it raises where a run diverged to NaN
    std = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_quantile(n - 1) * std / sqrt(n)
    low, high = mean - half, mean + half
    if share:
        low, high = max(low, 0.0), min(high, 1.0)
    return Measurement(mean, std, n, low, high)


def compare(own: Mapping[int, float], other: Mapping[int, float]) -> Comparison | None:
    """Compare two cells given as the value of each seed.

    The difference is paired by seed where two seeds or more are shared; seeds of one cell alone
    are left out of it. Where fewer are shared it is that of independent runs (Welch). Without a
    spread (a single run, or equal differences), nothing is tested. ``None`` where a cell is empty
    or has a value that is not finite.
    """
    if not own or not other or not all(map(math.isfinite, [*own.values(), *other.values()])):
        return None
    shared = sorted(own.keys() & other.keys())
    paired = len(shared) >= 2
    first = [own[seed] for seed in shared] if paired else list(own.values())
    second = [other[seed] for seed in shared] if paired else list(other.values())
    difference = fmean(first) - fmean(second)
    n = min(len(first), len(second))
    if paired:
        differences = [a - b for a, b in zip(first, second, strict=True)]
        spread = _std(differences)
    else:
        spread = sqrt((_std(first) ** 2 + _std(second) ** 2) / 2) if n > 1 else 0.0
    if spread <= _ROUNDING * max(map(abs, [*first, *second])):
        return Comparison(difference, None, None, None, n, paired, None)
    from scipy import stats

    test: Any  # SciPy's stubs do not know what its tests return
    if paired:
        test = stats.ttest_rel(first, second)
    else:
        test = stats.ttest_ind(first, second, equal_var=False)
    interval = test.confidence_interval(CONFIDENCE)
    needed = seeds_needed(abs(difference) / spread, paired=paired)
    low, high, p = float(interval.low), float(interval.high), float(test.pvalue)
    return Comparison(difference, low, high, p, n, paired, needed)


def ratio(own: Mapping[int, Reading], other: Mapping[int, Reading]) -> Ratio | None:
    """Divide one cell by another; ``None`` as of :func:`compare`, and unless all is positive.

    Where runs of one cell ended before they got there, the ratio is a bound; of both, nothing.
    """
    every = [*own.values(), *other.values()]
    if not all(reading.value > 0 for reading in every):
        return None
    censored = [any(each.censored for each in cell.values()) for cell in (own, other)]
    logs = [{seed: math.log(each.value) for seed, each in cell.items()} for cell in (own, other)]
    told = compare(*logs)
    if told is None or all(censored):
        return None
    if any(censored):
        return Ratio(math.exp(told.difference), None, None, ">" if censored[0] else "<")
    low, high = (None if each is None else math.exp(each) for each in (told.low, told.high))
    return Ratio(math.exp(told.difference), low, high)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected for being several, after Holm; ``None`` is no test."""
    tested = [value for value in values if value is not None]
    if not tested:
        return [None] * len(values)
    from statsmodels.stats.multitest import multipletests

    _, corrected, *_ = multipletests(tested, method="holm")
    assert corrected is not None
    rest = iter(corrected)
    return [None if value is None else float(next(rest)) for value in values]


def seeds_needed(effect: float, *, paired: bool) -> int | None:
    """Return the seeds with which a t test finds an effect with power 0.8 at p < 0.05.

    Args:
        effect: the difference over the standard deviation: of the pairs' differences, or (for
            independent runs, of which each cell needs so many) the pooled one.
        paired: the test is paired.

    Returns:
        At least 2, at most ``SEEDS_CAP + 1``, which is more than the cap; ``None`` without effect.
    """
    if effect == 0:
        return None
    from statsmodels.stats.power import TTestIndPower, TTestPower

    test = TTestPower() if paired else TTestIndPower()

    def power(n: int) -> float:
        # one tail, the other's share being nil: SciPy's noncentral t has no number for it, nor for
        # a power of nearly one far out
        told = float(test.power(min(effect, 20.0), n, ALPHA / 2, alternative="larger"))
        return 1.0 if math.isnan(told) else told

    counts = range(2, SEEDS_CAP + 1)
    return 2 + bisect_left(counts, POWER, key=power)


def t_quantile(degrees: float) -> float:
    """Return how many standard errors a 95 % t interval reaches to either side."""
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees))


def _std(values: Sequence[float]) -> float:
    mean = fmean(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
