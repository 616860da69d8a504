"""A table: what was measured of every row in every column, and the runs behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from fovea.stats.estimates import Comparison, Measurement, Ratio
from fovea.tables.cells import Repeat
from fovea.tables.definition import Column
from fovea.tables.expressions import Reading
from fovea.tables.references import Reference
from fovea.tables.results import Result
from fovea.tables.verdicts import Verdict


@dataclass(frozen=True)
class Head:
    """A column of one measured quantity; a pivot gives each of its values such columns."""

    column: Column
    label: str
    pivot: str | None = None


@dataclass(frozen=True)
class Entry:
    """What a table says where a row meets a column.

    Args:
        readings: of each run that recorded the metric.
        pairs, folds: as of ``Cell``.
        runs: the ids of the cell's runs.
        cell: what tells the cell from others: a group's option or a config value by key.
        measurement: ``None`` without readings, and where a run ended before it got there.
        comparison: with the baseline, its interval being one of those of all rows, which hold
            together; ``None`` where nothing is compared.
        p: of that comparison, Holm-corrected over the rows.
        ratio: to the baseline, where it is asked for.
        best: significantly better than the runner-up of its column.
        published: what others found, and how this compares.
    """

    readings: Mapping[Repeat, Reading]
    runs: tuple[str, ...]
    cell: Mapping[str, str]
    pairs: Mapping[Repeat, str] = field(default_factory=dict)
    folds: int = 0
    measurement: Measurement | None = None
    comparison: Comparison | None = None
    p: float | None = None
    ratio: Ratio | None = None
    best: bool = False
    published: tuple[tuple[Reference, Verdict], ...] = ()

    @property
    def samples(self) -> dict[Repeat, Reading]:
        """The reading of each run; of a fold, which several seeds only repeat, their mean."""
        if not self.folds:
            return dict(self.readings)
        of_fold: dict[int | None, list[Repeat]] = {}
        for repeat in sorted(self.readings):
            of_fold.setdefault(repeat.fold, []).append(repeat)
        return {
            repeats[0]: Reading(
                fmean(self.readings[each].value for each in repeats),
                censored=any(self.readings[each].censored for each in repeats),
            )
            for repeats in of_fold.values()
        }

    @property
    def values(self) -> dict[Repeat, float]:
        """The value of each sample; none where one is censored, for no mean may be taken of it."""
        if any(reading.censored for reading in self.readings.values()):
            return {}
        return {repeat: reading.value for repeat, reading in self.samples.items()}

    @property
    def overlap(self) -> float:
        """Test over training samples of each fold; see :mod:`fovea.stats.estimates`."""
        return 1 / (self.folds - 1) if self.folds else 0.0


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        key: its value of each key.
        labels: what they are called.
        chosen: the tuned key's value, once or per pivot.
        entries: one per column.
    """

    key: tuple[str, ...]
    labels: tuple[str, ...]
    chosen: str
    entries: tuple[Entry, ...]

    @property
    def label(self) -> str:
        return " ".join(self.labels)

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run for entry in self.entries for run in entry.runs))


@dataclass(frozen=True)
class Mark:
    """A footnote: at a row, at a column, or where both meet."""

    text: str
    row: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows and columns, the footnotes, and the runs behind them.

    Args:
        headings: what each key of the rows is called.
        choice: heading of the tuned key's values, in a table that has one.
        baseline: the label of the row others are held against.
        marks: footnotes, in reading order.
        notes: on where runs depart from the house's protocol, and what is missing.
        results: every run shown, by id.
    """

    title: str
    headings: tuple[str, ...]
    columns: tuple[Head, ...]
    rows: tuple[Row, ...]
    choice: str | None = None
    baseline: str | None = None
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()
    results: Mapping[str, Result] = field(default_factory=dict)
