"""The per-sample test predictions of a run, read back."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fovea.config.errors import RecordError
from fovea.config.regular import most_of, open_regular
from fovea.records import RunFolder

_OUTPUTS = 100_000  # of a network, at most: it may have more than there are classes
_REMEDY = "train it again with rerun=true"


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


def read_predictions(run: RunFolder) -> Predictions:
    """Read the predictions of a run.

    Raises:
        RecordError: they are missing or damaged.
    """
    data = run.read("data.json")
    classes = data.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise RecordError(f"{run.path / 'data.json'}: damaged (classes); {_REMEDY}")
    table = _read(run, "label", "prediction")
    labels = _numbers(run, table["label"], len(classes) or _OUTPUTS)
    predictions = _numbers(run, table["prediction"], max(len(classes), _OUTPUTS))
    return Predictions(labels, predictions, tuple(classes), str(data.get("fingerprint", "")))


def read_probabilities(run: RunFolder) -> NDArray[np.float32]:
    """Read the probabilities ``(N, outputs)`` of a run's test samples.

    Raises:
        RecordError: they are missing or damaged.
    """
    column = _read(run, "probabilities")["probabilities"].combine_chunks()
    kind = column.type
    if not pa.types.is_list(kind) or not pa.types.is_floating(kind.value_type):
        raise _damaged(run, f"probabilities are {kind}")
    values = column.flatten()
    lengths = np.diff(column.offsets.to_numpy())
    outputs = int(lengths[0])
    if not outputs or (lengths != outputs).any() or column.null_count or values.null_count:
        raise _damaged(run, "rows of different numbers of probabilities")
    return values.to_numpy().reshape(len(column), outputs)


def _numbers(run: RunFolder, column: pa.ChunkedArray, count: int) -> NDArray[np.int64]:
    """Return the numbers of classes or outputs, of which there are ``count``."""
    if not pa.types.is_integer(column.type) or column.null_count:
        raise _damaged(run, f"{column.type} with {column.null_count} nulls, no class numbers")
    numbers = column.to_numpy()
    for row in np.flatnonzero((numbers < 0) | (numbers >= count)):
        raise _damaged(run, f"row {row}: {numbers[row]} is outside 0–{count - 1}")
    return numbers.astype(np.int64)


def _read(run: RunFolder, *columns: str) -> pa.Table:
    if not run.predictions.is_file():
        raise RecordError(f"run {run.id} has no test predictions ({run.status or 'not run'})")
    try:
        with open_regular(run.predictions) as stream, pq.ParquetFile(stream) as file:
            size, rows = os.fstat(stream.fileno()).st_size, file.metadata.num_rows
            if not 0 < rows <= size:
                raise OSError(f"{rows:,} rows in {size:,} bytes")
            batches = []
            held = 0
            for batch in file.iter_batches(columns=list(columns)):
                held += batch.nbytes
                if held > most_of(size):
                    raise OSError(f"its {size:,} bytes hold more than {most_of(size):,}")
                batches.append(batch)
            return pa.Table.from_batches(batches).select(list(columns))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _damaged(run, str(error).partition("\n")[0]) from error


def _damaged(run: RunFolder, reason: str) -> RecordError:
    return RecordError(f"{run.predictions}: damaged ({reason}); {_REMEDY}")
