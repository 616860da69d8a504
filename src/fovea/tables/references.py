"""Published values: the ``references`` of ``table.yaml``."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PositiveInt, model_validator

from fovea.tables.fields import MetricName, TablePart, Texts

Aggregate = Literal["mean", "median", "best"]
Evidence = Literal["P", "A", "R", "T", "timm", "S", "C", "seed"]

EVIDENCE: dict[Evidence, str] = {
    "P": "seen in the paper itself",
    "A": "seen in the authors' own repository",
    "R": "seen in an independent reproduction's repository",
    "T": "torchvision's weight metadata",
    "timm": "timm's published results",
    "S": "second hand: quoted by a third party",
    "C": "computed from the architecture",
    "seed": "the introductory guide that makes the claim",
}


def _as_range(value: object) -> object:
    ends = tuple(value) if isinstance(value, list | tuple) else (value, value)
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    finite = all(abs(number) <= sys.float_info.max for number in numbers)  # as of NaN, not so
    if len(ends) != 2 or len(numbers) != 2 or not finite:
        raise ValueError("a number, or a range such as [8, 9]")
    if numbers[0] > numbers[1]:
        raise ValueError("a range is given from its lower end to its upper")
    return ends


def _as_written(value: tuple[float, float]) -> float | tuple[float, float]:
    return value[0] if value[0] == value[1] else value


def _with_a_reason(value: object) -> object:
    if isinstance(value, int | float | str):
        raise ValueError(f"state why: {{value: {value}, reason: ...}}")
    return value


def _known_evidence(value: object) -> object:
    if value == "M":
        raise ValueError(
            "M is from memory, unverified, and never a published value; "
            "find a source, or leave the reference out"
        )
    return value


class Margin(TablePart):
    """How far off still counts as the same.

    Args:
        value: in the unit of the metric; of a ratio, a share of it.
        reason: why a reader would call the two the same.
    """

    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    reason: Annotated[str, Field(min_length=1)]


class Reference(TablePart):
    """A published value beside a measured one.

    Args:
        row: the row's value of each key.
        column: the column's metric expression.
        pivot: the pivot's value, in a table that has one.
        value: in the unit of the metric: a share, not percent; ``[8, 9]`` is "8 to 9".
        std: sample standard deviation over the source's runs; of a mean.
        n: the source's runs; ``None`` is not stated, and taken as one.
        aggregate: what of its runs the source publishes; a best needs ``n``.
        ratio: the value is of the column's ratio to the baseline.
        bound: the source states a bound only (“> 99 %”): beyond it is met, not better.
        margin: ``None`` is what suits the format (:mod:`fovea.tables.verdicts`).
        source: publication and the table, figure or section it stands in.
        evidence: where the number was seen.
        differs: how the protocol here differs from the source's.
        comparable: the numbers may be compared although the protocols differ.
    """

    row: Texts
    column: MetricName
    pivot: str | None = None
    value: Annotated[tuple[float, float], BeforeValidator(_as_range), PlainSerializer(_as_written)]
    std: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    n: PositiveInt | None = None
    aggregate: Aggregate = "mean"
    ratio: bool = False
    bound: bool = False
    margin: Annotated[Margin, BeforeValidator(_with_a_reason)] | None = None
    source: str
    evidence: Annotated[Evidence, BeforeValidator(_known_evidence)]
    differs: Texts = ()
    comparable: bool = False

    @property
    def low(self) -> float:
        """The lower end of a range, or the value."""
        return self.value[0]

    @property
    def high(self) -> float:
        """The upper end of a range, or the value."""
        return self.value[1]

    @model_validator(mode="after")
    def _fits(self) -> Reference:
        if self.low != self.high and (self.margin or self.bound):
            raise ValueError(
                "value: a range takes neither a margin nor bound; it is its own margin"
            )
        if self.bound and self.margin:
            raise ValueError("margin: a bound has none")
        if self.aggregate == "best" and self.n is None:
            raise ValueError("n: of how many runs the best is")
        if self.aggregate != "mean" and (self.ratio or self.bound or self.std is not None):
            raise ValueError("aggregate: takes neither ratio, bound nor std, which are of means")
        if self.ratio and (self.low <= 0 or self.std is not None):
            raise ValueError("ratio: takes a positive value, and no std")
        return self
