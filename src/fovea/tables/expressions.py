"""Metric expressions: what a column measures of a run.

An expression is one string, in ``table.yaml`` and as a column's name in ``results.csv``:

==================================  =============================================================
``test/loss``, ``parameters``       a metric, or a number of the run's summary
``best(val/loss)``                  over the epochs: the lowest or the highest, as its quantity says
``last(train/loss)``                at the last epoch
``epochs_to(val/loss <= 0.1)``      epochs to the end of the first one that gets there
``steps_to(…)``, ``seconds_to(…)``  the optimizer steps, and the seconds of training, to then
==================================  =============================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from fovea.config.errors import did_you_mean
from fovea.records.history import EpochRow
from fovea.records.quantities import Quantity, quantity_of

_OF_EPOCHS = ("best", "last")
_TO = {"epochs_to": "epochs", "steps_to": "steps", "seconds_to": "seconds of training"}
_NAME = r"[\w./-]+"
_FORM = re.compile(rf"(\w+)\(\s*({_NAME})\s*(?:(>=|<=)\s*(\S+?)\s*)?\)")


@dataclass(frozen=True)
class Reading:
    """What an expression is for one run.

    Args:
        value: NaN where what was recorded is no finite number.
        censored: the run ended before it got there: the truth is more than ``value``.
    """

    value: float
    censored: bool = False

    def __str__(self) -> str:
        return f"> {self.value!r}" if self.censored else repr(self.value)


@dataclass(frozen=True)
class Expression:
    """A parsed metric expression; its text is in one form, however it was spaced."""

    metric: str
    function: str | None = None
    relation: str | None = None
    threshold: float = math.nan

    def __str__(self) -> str:
        if self.function is None:
            return self.metric
        if self.relation is None:
            return f"{self.function}({self.metric})"
        return f"{self.function}({self.metric} {self.relation} {self.threshold:g})"

    @property
    def resolution(self) -> float:
        """The step in which it is counted: epochs are whole; 0 is no step, or not known."""
        return 1.0 if self.function == "epochs_to" else 0.0

    @property
    def note(self) -> str | None:
        """What a reader must know of how it is counted."""
        if self.relation is None:
            return None
        while_moving = (
            "; train/ metrics are running averages during training"
            if self.metric.startswith("train/")
            else ""
        )
        return (
            f"{_TO[self.function or '']} to the end of the first epoch with "
            f"{self.metric} {self.relation} {self.threshold:g}, in whole epochs{while_moving}; "
            "“>” is a run that ended before"
        )

    def read(
        self,
        recorded: Mapping[str, float],
        history: Sequence[EpochRow],
        quantities: Mapping[str, Quantity],
    ) -> Reading | None:
        """Return its value for a run, ``None`` where the run did not record what it is of.

        Args:
            recorded: final metrics and other numbers, by name.
            history: one row an epoch.
            quantities: what each metric is.
        """
        if self.function is None:
            value = recorded.get(self.metric)
            return None if value is None else Reading(value)
        rows = [row for row in history if self.metric in row]
        if not rows:
            return None
        if self.relation is not None:
            return self._first(history)
        values = [row[self.metric] for row in rows]
        if self.function == "last":
            return Reading(values[-1])
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        lowest = quantity_of(self.metric, quantities).better == "lower"
        return Reading(min(finite) if lowest else max(finite))

    def _first(self, history: Sequence[EpochRow]) -> Reading:
        """Return where the threshold is met first; censored at the last epoch where it is not."""
        spent = {
            "epochs_to": [int(row["epoch"]) for row in history],
            "steps_to": [int(row["step"]) for row in history],
            "seconds_to": list(accumulate(row.get("seconds", math.nan) for row in history)),
        }[self.function or ""]
        for row, value in zip(history, spent, strict=True):
            if self._met(row.get(self.metric, math.nan)):
                return Reading(value)
        return Reading(spent[-1], censored=True)

    def _met(self, value: float) -> bool:
        return value >= self.threshold if self.relation == ">=" else value <= self.threshold


def parse_metric(text: str) -> Expression:
    """Read an expression.

    Raises:
        ValueError: it is not one; the message says why.
    """
    text = text.strip()
    if re.fullmatch(_NAME, text):
        return Expression(text)
    known = (*_OF_EPOCHS, *_TO)
    form = _FORM.fullmatch(text)
    if form is None:
        examples = "test/loss, best(val/loss), epochs_to(train/loss <= 0.1)"
        raise ValueError(f"'{text}' is no metric expression such as {examples}")
    function, metric, relation, threshold = form.groups()
    if function not in known:
        near = did_you_mean(function, known)
        raise ValueError(f"'{function}' in '{text}': unknown{near} (known: {', '.join(known)})")
    if (relation is not None) != (function in _TO):
        needs = "a threshold, >= or <=" if function in _TO else "a metric alone"
        raise ValueError(f"'{text}': {function} takes {needs}")
    if relation is None:
        return Expression(metric, function)
    try:
        return Expression(metric, function, relation, float(threshold))
    except ValueError:
        raise ValueError(f"'{text}': '{threshold}' is not a number") from None
