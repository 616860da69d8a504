"""What measured runs say of a published value.

The rule. Let d be the mean measured less the published value, and m the margin within which a
reader would call the two the same. The published value is held fixed, unless its source states its
own standard deviation and n: then its error is added (Welch). With n runs here, the first that
holds:

- n = 1: **one run**; the difference, and no verdict.
- **reproduced**: the 90 % t interval of d lies within [−m, m]. These are two one-sided tests at
  5 %, a test of equivalence (Schuirmann 1987). Noise can only widen the interval, so it never
  helps. Never at n = 2.
- **better**, **short by**, or **differs by** where no direction is better: the 95 % prediction
  interval lies wholly beyond ±m. The published value counts as one further run of the spread
  measured here, as most papers print one run (as the mean of so many, where the source states n
  alone): half width t(n − 1) · s · √(1 + 1/n).
- **consistent**: 0 lies in the 95 % interval of d. With the n at which equivalence would be shown
  if d and s are what was measured (:func:`fovea.stats.power.runs_for_equivalence`), or without
  one: none would, where d itself is at least m.
- **near, not equal**: none of these. No more is claimed than the interval says.

*The margin* is the reference's own, with its reason; else, of a share, 10 % of the published error
rate, at least 0.1 and at most 1 percentage point; 5 % of other numbers.

*A range* ("8 to 9") is reproduced where the 90 % interval lies within it; it is its own margin. d
is taken to its nearest end, and is 0 within.

*A bound* ("> 99 %") is **met** where the one-sided 95 % interval lies wholly beyond it, **missed**
where it lies wholly on the other side, else **undecided**.

*Ratios* of two cells follow the same rule in their logarithms, by Welch; the margin is a share, 5 %
unless the reference states another. Where runs of one cell ended before they got there, the ratio
is a bound: it can be wholly beyond the published one, on its own side, and else is undecided.

*Equal runs* have a spread of 0: intervals without width, the most precise measurement there is, so
that d against m decides. Whole epochs are the exception: :func:`fovea.stats.estimates.sample`.

*Exact quantities* (parameters, MACs: a column of counts, not computed from the history, equal in
all runs) are reproduced or not, to within the margin if the source rounds.

*Folds* of a cross-validation overlap: the errors above are those of the corrected resampled t
(:mod:`fovea.stats.estimates`), and no n is named, as no further fold would be a new sample.

*A published median* of runs is compared with the median of the runs here. The error of a median is
taken as √(π/2) times that of a mean: that of a large normal sample, and more than that of a small
one. *A published best of n* is compared with the best of n runs here; of more, with its mean over
all choices of n. Fewer are **not comparable**. A best has no interval, and so **no verdict** beyond
the difference.

Where the protocol differs, and the reference does not say ``comparable: true``, the verdict is
**not comparable**, and why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from fovea.stats.estimates import ErrorPart, Ratio, Sample, half_width, sample
from fovea.stats.power import ALPHA, runs_for_equivalence
from fovea.tables.definition import Column
from fovea.tables.expressions import parse_metric
from fovea.tables.references import Reference

VerdictKind = Literal[
    "reproduced",
    "better",
    "short",
    "differs",
    "consistent",
    "near, not equal",
    "one run",
    "met",
    "missed",
    "undecided",
    "no verdict",
    "not comparable",
    "not measured",
]

_EQUIVALENCE = 1 - 2 * ALPHA  # two one-sided tests; one side of it is a one-sided 95 % interval
_SLACK = 1e-12  # of floating point, where a difference is exactly the margin


@dataclass(frozen=True)
class Verdict:
    """A verdict, and what it rests on.

    Args:
        kind: see the module.
        difference: measured less published value; ``None`` where nothing was compared.
        low, high: its 95 % interval; of a bound each end is a one-sided 95 % limit. ``None`` of
            single runs, exact quantities, bests, and ratios that are bounds.
        margin: within which the two are the same; of a ratio, a share. ``None`` for bounds, ranges.
        needed: of what is consistent, the runs with which equivalence would be shown; more than
            ``RUNS_CAP`` is beyond it, ``None`` is no number, and of folds.
        why: of what has no verdict, or no ``needed``.
    """

    kind: VerdictKind
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    needed: int | None = None
    why: str = ""


def judge(
    values: Sequence[float], reference: Reference, column: Column, overlap: float = 0.0
) -> Verdict:
    """Compare the runs of a cell with a published value.

    Args:
        values: of each run.
        reference: the published value.
        column: what is measured.
        overlap: of the runs, as of :class:`~fovea.stats.estimates.Sample`.
    """
    if not values:
        return Verdict("not measured")
    if refused := _refused(reference, values):
        return refused
    better = {"higher": 1, "lower": -1, None: 0}[column.better]
    margin = _margin(reference, column)
    expression = parse_metric(column.metric)
    if column.format == "count" and expression.function is None and len(set(values)) == 1:
        return _exact(values[0], reference, better)
    if reference.aggregate == "best":
        return _best(values, reference, better)
    value = median(values) if reference.aggregate == "median" else fmean(values)
    runs = sample(values, expression.resolution, overlap)
    target = _Target(reference.low, reference.high, margin)
    return _judged(value, (runs,), target, reference, better)


def judge_ratio(measured: Ratio | None, reference: Reference) -> Verdict:
    """Compare a ratio with a published one; the further from one, as claimed, the better."""
    if measured is None:
        return Verdict("not measured")
    if refused := _refused(reference, [measured.value]):
        return refused
    low, high = reference.low, reference.high
    better = 1 if low > 1 else -1 if high < 1 else 0
    share = _margin(reference, None)
    margin = None if share is None else math.log1p(share)
    target = _Target(math.log(low), math.log(high), margin, of_logarithm=True)
    value = math.log(measured.value)
    return _judged(value, measured.samples, target, reference, better, measured.bound)


@dataclass(frozen=True)
class _Target:
    """A published value, or range, on the scale on which it is compared; ``margin`` on that too."""

    low: float
    high: float
    margin: float | None
    of_logarithm: bool = False

    @property
    def tolerated(self) -> tuple[float, float]:
        margin = self.margin or 0.0
        return self.low - margin, self.high + margin

    def nearest(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def plain(self, value: float) -> float:
        return math.exp(value) if self.of_logarithm else value

    def shown_margin(self) -> float | None:
        if self.margin is None or not self.of_logarithm:
            return self.margin
        return math.expm1(self.margin)


def _judged(
    value: float,
    samples: Sequence[Sample],
    target: _Target,
    reference: Reference,
    better: int,
    censored: Literal["", ">", "<"] = "",
) -> Verdict:
    """Apply the rule.

    Args:
        value: measured, on the target's scale.
        samples: the runs behind it, on that scale.
        better: 1 where more is better, −1 where less is, 0 where neither.
        censored: the truth is more (``>``) or less (``<``) than the value.
    """
    published = target.plain(target.nearest(value))
    difference = target.plain(value) - published
    margin = None if reference.bound else target.shown_margin()
    n = min(each.n for each in samples)
    if n == 1:
        return Verdict("one run", difference, margin=margin)
    error, prediction = _errors(samples, reference)

    def around(parts: Sequence[ErrorPart], confidence: float) -> tuple[float, float]:
        half = half_width(parts, confidence)
        ends = value - half, value + half
        return -math.inf if censored == "<" else ends[0], math.inf if censored == ">" else ends[1]

    def verdict(
        kind: VerdictKind, confidence: float, needed: int | None = None, why: str = ""
    ) -> Verdict:
        if censored:
            return Verdict(
                kind, difference, margin=margin, why="a run here ended before it got there"
            )
        low, high = (target.plain(end) - published for end in around(error, confidence))
        return Verdict(kind, difference, low, high, margin, needed, why)

    if reference.bound:
        low, high = around(error, _EQUIVALENCE)
        above, below = low > target.high, high < target.low
        beyond, short = (above, below) if better > 0 else (below, above)
        kind: VerdictKind = "met" if beyond else "missed" if short else "undecided"
        return verdict(kind, _EQUIVALENCE)
    least, most = target.tolerated
    low, high = around(error, _EQUIVALENCE)
    if n > 2 and least - _SLACK <= low and high <= most + _SLACK:
        return verdict("reproduced", 1 - ALPHA)
    low, high = around(prediction, 1 - ALPHA)
    if low > most or high < least:
        gain = better * (1 if low > most else -1)
        return verdict("better" if gain > 0 else "short" if gain < 0 else "differs", 1 - ALPHA)
    if censored:
        return verdict("undecided", 1 - ALPHA)
    low, high = around(error, 1 - ALPHA)
    if low <= target.high and target.low <= high:
        if any(each.overlap for each in samples):
            return verdict("consistent", 1 - ALPHA, why="more folds are no more data")
        factor = math.sqrt(_inflation(reference))
        needed = runs_for_equivalence(
            value - (least + most) / 2,
            (most - least) / 2,
            [factor * each.spread for each in samples],
            math.sqrt(_of_source(reference)[0]),
        )
        return verdict("consistent", 1 - ALPHA, needed)
    return verdict("near, not equal", 1 - ALPHA)


def _errors(
    samples: Sequence[Sample], reference: Reference
) -> tuple[list[ErrorPart], list[ErrorPart]]:
    """Return the errors of the difference: the published value held fixed, and as a further run."""
    inflation = _inflation(reference)
    own = [(inflation * variance, degrees) for variance, degrees in (s.error for s in samples)]
    theirs = _of_source(reference)
    if theirs[0]:
        return [*own, theirs], [*own, theirs]
    published = inflation / reference.n if reference.n and reference.n > 1 else 1.0
    return own, [
        (variance + each.spread**2 * published, degrees)
        for each, (variance, degrees) in zip(samples, own, strict=True)
    ]


def _of_source(reference: Reference) -> ErrorPart:
    """Return the error of the published mean as its source states it; none is 0."""
    if not reference.std or reference.n is None or reference.n < 2:
        return 0.0, 0.0
    return reference.std**2 / reference.n, reference.n - 1.0


def _inflation(reference: Reference) -> float:
    """Return how much larger the variance of the aggregate is than that of the mean."""
    return math.pi / 2 if reference.aggregate == "median" else 1.0


def _refused(reference: Reference, values: Sequence[float]) -> Verdict | None:
    if reference.differs and not reference.comparable:
        return Verdict("not comparable", why="; ".join(reference.differs))
    if not all(map(math.isfinite, values)):
        return Verdict("not comparable", why="a run here has no finite value")
    return None


def _exact(value: float, reference: Reference, better: int) -> Verdict:
    nearest = min(max(value, reference.low), reference.high)
    difference = value - nearest
    margin = reference.margin.value if reference.margin else None
    if reference.bound:
        beyond = better * (value - nearest) > 0
        return Verdict("met" if beyond else "missed", difference)
    if abs(difference) <= (margin or 0.0):
        return Verdict("reproduced", difference, margin=margin)
    gain = better * difference
    kind: VerdictKind = "better" if gain > 0 else "short" if gain < 0 else "differs"
    return Verdict(kind, difference, margin=margin)


def _best(values: Sequence[float], reference: Reference, better: int) -> Verdict:
    """Compare the best of k runs, k being the source's n; of more, its mean over choices of k."""
    k, n = reference.n or 1, len(values)
    if n < k:
        return Verdict("not comparable", why=f"a best of {k}, and {n} run{'s' * (n > 1)} here")
    ordered = sorted(values, reverse=better < 0)
    ways = [math.comb(rank, k - 1) for rank in range(n)]  # in which this one is the best of k
    value = sum(way * each for way, each in zip(ways, ordered, strict=True)) / math.comb(n, k)
    difference = value - min(max(value, reference.low), reference.high)
    return Verdict("no verdict", difference, why=f"a best of {k} has no interval")


def _margin(reference: Reference, column: Column | None) -> float | None:
    """Return the margin: of a ratio (no column) a share; ``None`` of a range, which is its own."""
    if reference.low != reference.high:
        return None
    if reference.margin is not None:
        return reference.margin.value
    if column is None:
        return 0.05
    if column.format != "percent":
        return 0.05 * abs(reference.low)
    error = reference.low if column.better == "lower" else 1 - reference.low
    return min(max(0.1 * error, 0.001), 0.01)
