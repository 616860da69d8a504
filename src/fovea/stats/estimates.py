"""What several runs say together: means, intervals, differences, ratios, tests.

Numbers in, numbers out: nothing here knows a table. Every interval is Student's t, so runs are
taken to spread normally, and to be independent. Those of a cross-validation are not: their training
parts overlap. Then the variance of their mean is not s² / n but s² (1 / n + ρ), ρ being the samples
of a test part over those of its training part: the corrected resampled t (Nadeau and Bengio 2003,
Inference for the Generalization Error, §3). SciPy and statsmodels are imported where they are used:
training imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt
from statistics import fmean
from typing import Literal

from fovea.stats.power import ALPHA, runs_for_difference

CONFIDENCE = 1 - ALPHA
_ROUNDING = 1e-6  # relative; metrics are float32: a smaller spread is none

# An independent error: its variance, and the degrees of freedom of that
ErrorPart = tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """Runs of one kind.

    Args:
        mean: of them.
        spread: their standard deviation (n − 1), but see :func:`sample`; 0 at n = 1.
        n: how many.
        overlap: ρ of the module's text; 0 where they are independent.
    """

    mean: float
    spread: float
    n: int
    overlap: float = 0.0

    @property
    def error(self) -> ErrorPart:
        """The error of the mean; that of a single run is not known, and 0."""
        return self.spread**2 / self.n + self.spread**2 * self.overlap, self.n - 1.0


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
    """One cell less another.

    Args:
        difference: of the means; of paired runs, the mean of the pairs' differences.
        n: runs of the smaller cell, or pairs.
        paired: its runs were paired; else it is Welch's comparison of independent runs.
        p: of the two-sided test that the difference is 0, uncorrected; ``None`` at n = 1.
        low, high: its interval; ``None`` at n = 1, and where neither cell has any spread.
        confidence: of the interval.
        error: standard error of the difference; 0 without spread.
        degrees: its degrees of freedom.
        needed: total runs of each cell (pairs) with which a difference of this size and spread is
            found; see :func:`fovea.stats.power.runs_for_difference`. ``None`` where it is 0, where
            nothing was tested by its spread, and of runs that overlap.
    """

    difference: float
    n: int
    paired: bool = False
    p: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = CONFIDENCE
    error: float = 0.0
    degrees: float = 0.0
    needed: int | None = None

    def among(self, tests: int) -> Comparison:
        """Return it with an interval that is one of several, which hold together at 95 %.

        Bonferroni's: each has confidence 1 − 0.05 / ``tests``.
        """
        if not self.error:
            return self
        confidence = 1 - ALPHA / max(tests, 1)
        half = t_quantile(self.degrees, confidence) * self.error
        low, high = self.difference - half, self.difference + half
        return replace(self, low=low, high=high, confidence=confidence)


@dataclass(frozen=True)
class Ratio:
    """The ratio of two cells' geometric means.

    Args:
        value: the ratio.
        low, high: 95 % t interval of its logarithm, exponentiated; ``None`` at n = 1, and of a
            bound.
        bound: ``>`` where the truth is more than ``value``, ``<`` where it is less.
        samples: the logarithms of either cell, the second's being subtracted; or, paired, those of
            the pairs' ratios.
    """

    value: float
    low: float | None
    high: float | None
    bound: Literal["", ">", "<"] = ""
    samples: tuple[Sample, ...] = ()


def sample(values: Sequence[float], resolution: float = 0.0, overlap: float = 0.0) -> Sample:
    """Describe runs of one kind (one at least).

    Equal runs have a spread of 0, which is what was measured: nothing between them. But a quantity
    that comes in steps (whole epochs) is known to no better than its step, however many runs agree;
    its spread is at least that of rounding, ``resolution`` / √12. A spread below a millionth of the
    values is one of float32, and none.

    Args:
        values: of each run.
        resolution: the step in which the quantity is counted; 0 where it is continuous.
        overlap: as of :class:`Sample`.
    """
    n, mean = len(values), fmean(values)
    if n == 1:
        return Sample(mean, 0.0, 1, overlap)
    # not statistics.stdev: on Python 3.11 it raises where a run diverged to NaN
    spread = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1))
    if spread <= _ROUNDING * max(map(abs, values)):
        spread = 0.0
    # a NaN first, so that it stays one
    return Sample(mean, max(spread, resolution / sqrt(12)), n, overlap)


def measure(
    values: Sequence[float],
    *,
    share: bool = False,
    resolution: float = 0.0,
    overlap: float = 0.0,
) -> Measurement | None:
    """Summarise the runs of a cell; ``None`` where there are none.

    Args:
        values: of each run.
        share: they lie between 0 and 1, and so does their mean: the interval ends there.
        resolution, overlap: as of :func:`sample`, for the interval; the standard deviation is as
            measured.
    """
    if not values:
        return None
    runs = sample(values, resolution, overlap)
    if runs.n == 1:
        return Measurement(runs.mean, None, 1)
    std = sqrt(fsum((value - runs.mean) ** 2 for value in values) / (runs.n - 1))
    half = half_width([runs.error])
    low, high = runs.mean - half, runs.mean + half
    if share:
        low, high = max(low, 0.0), min(high, 1.0)
    return Measurement(runs.mean, std, runs.n, low, high)


def half_width(parts: Iterable[ErrorPart], confidence: float = CONFIDENCE) -> float:
    """Return the half width of a two-sided t interval whose error is the sum of independent parts.

    It is Welch's, with Satterthwaite's degrees of freedom, and never less than that of one part
    alone. Welch's alone shrinks where noise is added to a part of many degrees of freedom, beside
    one of few: the degrees grow faster than the error. What is measured with more noise would then
    be known better.
    """
    parts = [part for part in parts if part[0]]
    if not parts:
        return 0.0
    alone = [t_quantile(degrees, confidence) * sqrt(variance) for variance, degrees in parts]
    error, degrees = _welch(parts)
    return max(t_quantile(degrees, confidence) * error, *alone)


def compare(
    own: Sequence[float],
    other: Sequence[float],
    *,
    paired: bool = False,
    overlaps: tuple[float, float] = (0.0, 0.0),
) -> Comparison | None:
    """Compare two cells: by Welch's t test, or paired, where both are given in the order of pairs.

    Where there is no spread at all the t statistic is infinite or undefined, and its p of 0 would
    claim a certainty that no number of equal runs gives. Then p is that of the exact permutation
    test, which needs no spread: 2 / C(n₁ + n₂, n₁) where the cells differ (paired: 2 / 2ⁿ, of
    signs), 1 where they do not. Of runs that overlap that test is not exact, and p is 1. A single
    run in either cell has no test.

    Args:
        own, other: of each run.
        paired: both are in the order of pairs.
        overlaps: of the runs of either cell, as of :class:`Sample`; of pairs the larger counts.

    Returns:
        ``None`` where a cell is empty or has a value that is not finite.
    """
    if not own or not other or not all(map(math.isfinite, [*own, *other])):
        return None
    n = min(len(own), len(other))
    if paired:
        differences = [a - b for a, b in zip(own, other, strict=True)]
        difference = fmean(differences)
    else:
        differences = []
        difference = fmean(own) - fmean(other)
    if n == 1:
        return Comparison(difference, n, paired)
    largest = max(map(abs, [*own, *other]))
    if paired:
        samples = [sample(differences, overlap=max(overlaps))]
    else:
        samples = [
            sample(each, overlap=overlap)
            for each, overlap in zip((own, other), overlaps, strict=True)
        ]
    parts = [each.error for each in samples]
    if all(each.spread <= _ROUNDING * largest for each in samples):
        ways = 2**n if paired else math.comb(len(own) + len(other), n)
        equal = abs(difference) <= _ROUNDING * largest
        p = 1.0 if equal or any(overlaps) else min(1.0, 2 / ways)
        return Comparison(difference, n, paired, p)
    from scipy import stats

    error, degrees = _welch(parts)
    spread = sqrt(fmean(each.spread**2 for each in samples))
    effect = abs(difference) / spread
    return Comparison(
        difference,
        n,
        paired,
        p=2 * float(stats.t.sf(abs(difference) / error, degrees)),
        error=error,
        degrees=degrees,
        needed=None if any(overlaps) else runs_for_difference(effect, paired=paired),
    ).among(1)


def ratio(
    own: Sequence[float],
    other: Sequence[float],
    *,
    censored: tuple[bool, bool] = (False, False),
    paired: bool = False,
    resolution: float = 0.0,
    overlaps: tuple[float, float] = (0.0, 0.0),
) -> Ratio | None:
    """Divide one cell by another, in their logarithms; ``None`` unless all is finite and positive.

    Args:
        own, other: of each run; of one that ended before it got there, where it ended.
        censored: whether either cell has such runs. Of one cell the ratio is a bound, of both
            nothing.
        paired: both are in the order of pairs.
        resolution: as of :func:`sample`.
        overlaps: as of :func:`compare`.
    """
    every = [*own, *other]
    if not own or not other or all(censored):
        return None
    if not all(math.isfinite(value) and value > 0 for value in every):
        return None
    logs = [[math.log(value) for value in cell] for cell in (own, other)]
    steps = [resolution / math.exp(fmean(cell)) for cell in logs]
    if paired:
        quotients = [a - b for a, b in zip(*logs, strict=True)]
        samples = (sample(quotients, math.hypot(*steps), max(overlaps)),)
        value = samples[0].mean
    else:
        samples = tuple(map(sample, logs, steps, overlaps))
        value = samples[0].mean - samples[1].mean
    if any(censored):
        return Ratio(math.exp(value), None, None, ">" if censored[0] else "<", samples)
    if min(each.n for each in samples) == 1:
        return Ratio(math.exp(value), None, None, samples=samples)
    half = half_width(each.error for each in samples)
    return Ratio(math.exp(value), math.exp(value - half), math.exp(value + half), samples=samples)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected for being several, after Holm (1979); ``None`` is no test."""
    tested = [value for value in values if value is not None]
    if not tested:
        return [None] * len(values)
    from statsmodels.stats.multitest import multipletests

    _, corrected, *_ = multipletests(tested, method="holm")
    assert corrected is not None
    rest = iter(corrected)
    return [None if value is None else float(next(rest)) for value in values]


def t_quantile(degrees: float, confidence: float = CONFIDENCE) -> float:
    """Return how many standard errors a two-sided t interval reaches to either side."""
    from scipy import stats

    return float(stats.t.ppf((1 + confidence) / 2, degrees))


def _welch(parts: Sequence[ErrorPart]) -> ErrorPart:
    """Return the error of a sum of parts, and its degrees of freedom after Satterthwaite."""
    variance = fsum(variance for variance, _ in parts)
    shares = [(each / variance, degrees) for each, degrees in parts]
    return sqrt(variance), 1 / fsum(share**2 / degrees for share, degrees in shares)
