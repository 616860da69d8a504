"""What a measured value says of a published one.

The rule. Let d be the measured mean less the published value, and h the half width of its 95 %
interval. With n₁ runs of standard deviation s₁ here, and n₂, s₂ as the source states them:

- both spreads known: h is Welch's;
- s₁ only: h = t(n₁ − 1) · s₁ · √(1/n₁ + 1/n₂), the published value being the mean of n₂ further
  runs like those here, of one where n₂ is not stated; a bound is no run: 1/n₂ is left out;
- s₂ only (a single run here, or equal ones): the same with the source's;
- neither: there is no interval.

Then, with m the margin (what a reader would call the same; one percentage point for a share, 5 % of
the value for other numbers, nothing for a count, unless the reference states it):

- within the interval and the margin (without an interval: within the margin): **reproduced**;
- within the interval, beyond the margin: **undecided**; there are too few runs;
- beyond the interval: **better**, or **short by** so much; where no way is better, **differs by**.

Beyond a bound on its better side is reproduced, not better. Where the protocol differs, and the
reference does not say ``comparable: true``, the verdict is **not comparable**, and why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fovea.tables.definition import Column, Reference
from fovea.tables.statistics import Measurement, Ratio, t_quantile

Kind = Literal[
    "reproduced", "better", "short", "differs", "undecided", "not comparable", "not measured"
]

RULE = (
    "Verdicts: reproduced is within the 95 % t interval of the difference and within the margin "
    "(1 percentage point, 5 % of other numbers, or as stated); undecided within the interval only. "
    "A published value without a spread counts as one more run of those measured here."
)


@dataclass(frozen=True)
class Verdict:
    """A verdict, and what it rests on.

    Args:
        kind: see the module.
        difference: measured mean less published value; ``None`` where nothing was compared.
        half: half width of its 95 % interval; ``None`` where no spread is known, and of ratios.
        why: of what cannot be compared.
    """

    kind: Kind
    difference: float | None = None
    half: float | None = None
    why: str = ""


def judge(measured: Measurement | None, reference: Reference, column: Column) -> Verdict:
    """Hold a measurement against a published value."""
    if measured is None:
        return Verdict("not measured")
    difference = measured.mean - reference.value
    if refused := _refused(reference, difference):
        return refused
    half = _half_width(measured, reference)
    gain = {"higher": difference, "lower": -difference, None: None}[column.better]
    inside = None if half is None else abs(difference) <= half
    same = abs(difference) <= _margin(reference, column)
    return Verdict(_kind(gain, inside, same, reference.bound), difference, half)


def judge_ratio(measured: Ratio | None, reference: Reference) -> Verdict:
    """Hold a ratio against a published one; the further from one, as claimed, the better."""
    if measured is None:
        return Verdict("not measured")
    difference = measured.value - reference.value
    if refused := _refused(reference, difference):
        return refused
    gain = difference if reference.value >= 1 else -difference
    if measured.bound:
        proven = gain >= 0 and (measured.bound == ">") == (reference.value >= 1)
        return Verdict("better" if proven else "undecided", difference)
    margin = 0.05 * reference.value if reference.margin is None else reference.margin
    inside = None
    if measured.low is not None and measured.high is not None:
        inside = measured.low <= reference.value <= measured.high
    return Verdict(_kind(gain, inside, abs(difference) <= margin, reference.bound), difference)


def _refused(reference: Reference, difference: float) -> Verdict | None:
    if reference.differs and not reference.comparable:
        return Verdict("not comparable", why="; ".join(reference.differs))
    if not math.isfinite(difference):
        return Verdict("not comparable", why="a run here has no finite value")
    return None


def _kind(gain: float | None, inside: bool | None, same: bool, bound: bool) -> Kind:
    """Apply the rule; ``inside`` is ``None`` where there is no interval."""
    if bound and gain is not None and gain >= 0:
        return "reproduced"
    if inside or (inside is None and same):
        return "reproduced" if same else "undecided"
    if gain is None:
        return "differs"
    return "better" if gain > 0 else "short"


def _half_width(measured: Measurement, reference: Reference) -> float | None:
    own, s1 = measured.n, measured.std or 0.0
    theirs = reference.n or 1
    s2 = (reference.std or 0.0) if theirs > 1 else 0.0
    if s1 and s2:
        v1, v2 = s1**2 / own, s2**2 / theirs
        degrees = (v1 + v2) ** 2 / (v1**2 / (own - 1) + v2**2 / (theirs - 1))
        return t_quantile(degrees) * math.sqrt(v1 + v2)
    if s1:
        of_theirs = 0 if reference.bound else 1 / theirs
        return t_quantile(own - 1) * s1 * math.sqrt(1 / own + of_theirs)
    if s2:
        return t_quantile(theirs - 1) * s2 * math.sqrt(1 / own + 1 / theirs)
    return None


def _margin(reference: Reference, column: Column) -> float:
    if reference.margin is not None:
        return reference.margin
    return {"percent": 0.01, "count": 0.0}.get(column.format, 0.05 * abs(reference.value))
