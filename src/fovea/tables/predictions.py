"""The per-sample test predictions of a run, read back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fovea.config.errors import RecordError
from fovea.records import RunFolder


@dataclass(frozen=True)
class Predictions:
    """What a run said of every test sample, in the test part's order.

    Args:
        labels, predictions: int64, ``(N,)``.
        classes: the name of each class; outputs above them have none.
        fingerprint: of the data they were made on.
    """

    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    classes: tuple[str, ...]
    fingerprint: str

    @property
    def names(self) -> list[str]:
        """The name of every output that occurs."""
        last = int(max(self.labels.max(initial=-1), self.predictions.max(initial=-1))) + 1
        extra = (f"output {index}" for index in range(len(self.classes), last))
        return [*self.classes, *extra]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts ``(C, C)``, rows true, of the classes and the outputs above them that occur."""
        size = len(self.names)
        pairs = self.labels * size + self.predictions
        return np.bincount(pairs, minlength=size * size).reshape(size, size)


def read_predictions(run: RunFolder) -> Predictions:
    """Read the predictions of a run.

    Raises:
        RecordError: they are missing or damaged.
    """
    table = _read(run, "label", "prediction")
    labels, predictions = (table[name].to_numpy() for name in table.column_names)
    data = run.read("data.json")
    classes = tuple(data.get("classes", ()))
    return Predictions(labels, predictions, classes, data.get("fingerprint", ""))


def read_probabilities(run: RunFolder) -> NDArray[np.float32]:
    """Read the probabilities ``(N, outputs)`` of a run's test samples.

    Raises:
        RecordError: they are missing or damaged.
    """
    column = _read(run, "probabilities")["probabilities"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def _read(run: RunFolder, *columns: str) -> pa.Table:
    if not run.predictions.is_file():
        raise RecordError(f"run {run.id} has no test predictions ({run.status or 'not run'})")
    try:
        return pq.read_table(run.predictions, columns=list(columns)).select(list(columns))
    except (OSError, pa.ArrowException, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise RecordError(
            f"{run.predictions}: damaged ({reason}); train it again with rerun=true"
        ) from error
