"""What a measured quantity is: its name, format, unit and direction.

A problem declares its own; a run's record stores them beside the values, so that tables, the report
and the terminal print any run without its problem's code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Format = Literal["percent", "count", "seconds", "number"]
Better = Literal["higher", "lower"]

_DIGITS = {"percent": 2, "count": 0, "seconds": 1, "number": 4}


@dataclass(frozen=True)
class Quantity:
    """A quantity that is measured of runs.

    Args:
        label: what axes and headings call it; empty is its name.
        format: ``percent`` is a share of 1, ``count`` a whole number.
        better: which way is better; ``None`` where neither is.
    """

    label: str = ""
    format: Format = "number"
    better: Better | None = None

    def text(self, value: float | None, digits: int | None = None) -> str:
        """Return a value as it is printed alone, with its unit."""
        if value is None or not math.isfinite(value):
            return "NaN"
        digits = _DIGITS[self.format] if digits is None else digits
        if self.format == "percent":
            return f"{value:.{digits}%}"
        if self.format == "count":
            return f"{value:,.{digits}f}"
        if self.format == "seconds":
            return f"{value:,.{digits}f} s"
        return f"{value:.{digits}f}"

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is better than another; a higher one where no direction is better.

        Any number is better than NaN.
        """
        if math.isnan(other):
            return not math.isnan(value)
        return value < other if self.better == "lower" else value > other


# Of any problem.
COMMON: Mapping[str, Quantity] = {
    "loss": Quantity("loss", better="lower"),
    "parameters": Quantity("parameters", "count"),
    "macs": Quantity("MACs", "count"),
    "seconds": Quantity("seconds", "seconds"),
    "epochs": Quantity("epochs", "count"),
    "steps": Quantity("steps", "count"),
    "samples_per_second": Quantity("samples per second", "count", "higher"),
    "lr": Quantity("learning rate"),
}
# Of records and published rows from before records stored theirs.
_EARLIER: Mapping[str, Quantity] = {
    "accuracy": Quantity("accuracy", "percent", "higher"),
    "top5_accuracy": Quantity("top-5 accuracy", "percent", "higher"),
    "macro_f1": Quantity("macro F1", "percent", "higher"),
}


def stored(quantities: Mapping[str, Quantity]) -> dict[str, dict[str, Any]]:
    """Return quantities as a record holds them."""
    return {name: asdict(each) for name, each in quantities.items()}


def of_record(summary: Mapping[str, Any]) -> dict[str, Quantity]:
    """Return the quantities of a run by its summary, those of any problem included."""
    own = summary.get("quantities")
    if not isinstance(own, Mapping):
        return {**COMMON, **_EARLIER}
    found = {}
    for name, each in own.items():
        try:
            found[str(name)] = Quantity(**each)
        except TypeError:  # of a later version
            continue
    return {**COMMON, **found}


def quantity_of(metric: str, quantities: Mapping[str, Quantity]) -> Quantity:
    """Return the quantity of a metric.

    ``test/mae_shift_2`` is a ``mae_shift_2``, or else a ``mae``: parts before a slash and, where
    the whole is not declared, numbers and words after an underscore are left off.
    """
    name = metric.rpartition("/")[2]
    while name:
        if name in quantities:
            return quantities[name]
        name = name.rpartition("_")[0]
    return Quantity()


def watched(summary: Mapping[str, Any]) -> str:
    """Return the quantity by which a run was watched, for instance ``mae``."""
    if isinstance(named := summary.get("monitor"), str):
        return named.rpartition("/")[2]
    return main_quantity(summary.get("metrics", {}), of_record(summary))


def main_quantity(names: Iterable[str], quantities: Mapping[str, Quantity]) -> str:
    """Return the first quantity of the test of which more is better; ``loss`` if there is none."""
    for name in names:
        if name.startswith("test/") and quantity_of(name, quantities).better == "higher":
            return name.rpartition("/")[2]
    return "loss"
