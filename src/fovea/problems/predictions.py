"""Predictions: what a network says of every sample of a part, and what follows from it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fovea.records.quantities import Quantity

Rows = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class RecordedRun:
    """A tested run, as charts of its problem read it.

    Args:
        id: of the run.
        cell: what tells its cell (the runs that differ in seed and fold only) from others.
        summary: of its record.
        read: reads the named rows of its test; ``None`` where they are missing or damaged, which
            the page then reports.
    """

    id: str
    cell: str
    summary: Mapping[str, Any]
    read: Callable[..., Predictions | None]


@dataclass(frozen=True)
class Chart:
    """A chart of recorded runs, which the report draws.

    Args:
        section: the heading it stands below; charts of one section stand side by side.
        title: what it shows.
        note: the sentence below it.
        specification: Vega-Lite, whose data is named ``rows``. The page adds size and colours.
        rows: what it draws; without any it is left out.
        by_cell: the page shows the rows of one ``cell``, which its reader chooses. Otherwise it
            shows those of every ``run`` that its filter lets through.
        missing: what is not drawn, and why.
    """

    section: str
    title: str
    note: str
    specification: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    by_cell: bool = False
    missing: Sequence[str] = ()


@dataclass(frozen=True)
class Answers:
    """What is said of new samples, one after another; names of the samples are added.

    Args:
        printed: the columns in the terminal, the first is of the names; and texts per sample.
        table: the same of ``predictions.csv``.
        records: of ``predictions.json``.
        captions: above pictures.
        files: PNG files of each sample, written as it is named, by the folder that they lie in.
    """

    printed: tuple[Sequence[str], Sequence[Sequence[str]]]
    table: tuple[Sequence[str], Sequence[Sequence[Any]]]
    records: Sequence[Mapping[str, Any]]
    captions: Sequence[str]
    files: Mapping[str, Sequence[bytes]] = field(default_factory=dict)


class Predictions(ABC):
    """The rows that a task keeps, one per sample.

    They are the only source of a part's metrics: in validation, in the test, and where a table is
    verified by the rows that a record holds.

    Args:
        rows: by name, each ``(N, …)``; of one or two axes where a record is to hold them.
        names: what the data offers: names of classes, for instance.

    Attributes:
        quantities: format and direction of every metric.
        key: the row that says what is the same sample in two runs; ``None``: they do not pair.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {}
    key: ClassVar[str | None] = "sample"

    def __init__(self, rows: Rows, names: Mapping[str, Any]) -> None:
        self.rows = rows
        self.names = names

    @classmethod
    def checked(cls, rows: Rows, described: Mapping[str, Any]) -> Self:
        """Return the predictions of a record.

        Args:
            rows: as read.
            described: the record's ``data.json``; its ``offers`` are the names.

        Raises:
            ValueError: the rows are not such predictions.
        """
        return cls(rows, described.get("offers", {}))

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Return the metrics of all samples, by the name of their quantity."""

    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Return the least and the most a metric can be, where the rows leave it open."""
        return {}

    def scores(self) -> NDArray[Any] | None:
        """Return a score per sample, by which two runs are compared; ``None`` where there is none.

        Of booleans (right or wrong) the paired test is McNemar's, of numbers Wilcoxon's.
        """
        return None

    def ranks(self) -> NDArray[Any] | None:
        """Return a number per sample by which ``fovea samples`` orders them, the best last."""
        return self.scores()

    def caption(self, row: int) -> str:
        """Return what is said of one sample: its target, and what was predicted."""
        return ""

    def answers(self, top: int) -> Answers:
        """Return what ``fovea predict`` says of new samples, whose targets are not known.

        Args:
            top: how many alternatives are listed of each, where there are such.

        Returns:
            The rows of one axis, unless a subclass says something else.
        """
        columns = {name: rows for name, rows in self.rows.items() if rows.ndim == 1}
        values = [[each.item() for each in row] for row in zip(*columns.values(), strict=True)]
        texts = [[f"{v:.6g}" if isinstance(v, float) else str(v) for v in row] for row in values]
        heading = ["file", *columns]
        records = [dict(zip(columns, map(_json_value, row), strict=True)) for row in values]
        captions = [", ".join(row) for row in texts]
        return Answers((heading, texts), (heading, values), records, captions)

    def drawn_on(self, pictures: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.uint8]]:
        """Return pictures ``(H, W, 1 or 3)`` of the first samples with what is said of each."""
        return pictures

    def details(self) -> dict[str, Any]:
        """Return what a summary holds beside the metrics: a metric by class, for instance."""
        return {}

    def pictures(self) -> dict[str, bytes]:
        """Return PNG files of the record, by name: ``NAME.png``, of letters, digits, ``_.-``."""
        return {}

    @classmethod
    def charts(cls, runs: Sequence[RecordedRun]) -> list[Chart]:
        """Return what the report draws of tested runs of this problem."""
        return []

    def take(self, index: Sequence[int] | NDArray[np.int64]) -> Self:
        """Return some of the samples, repeated ones too: bootstrap of what is no mean."""
        chosen = np.asarray(index)
        return type(self)({name: rows[chosen] for name, rows in self.rows.items()}, self.names)


def _json_value(value: Any) -> Any:
    """Return a value, ``None`` where JSON has no number for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
