"""The predictions of a recorded run, read back, and its metrics checked by them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fovea.config.build import class_of
from fovea.config.errors import RecordError
from fovea.config.regular import most_of, open_regular
from fovea.problems.metrics import build_metrics, measured
from fovea.problems.predictions import Predictions
from fovea.records import RunFolder
from fovea.records.quantities import Quantity, of_record

_REMEDY = "train it again with rerun=true"
_TOLERANCE = 1e-6  # recorded in float32, or to six places
_EARLIER = "fovea.problems.classification.predictions.ClassPredictions"  # of records that name none


@dataclass(frozen=True)
class Disagreement:
    """A number of a summary that the predictions do not bear out.

    Args:
        recomputed: the least and the most it can be.
    """

    name: str
    recorded: float | None
    recomputed: tuple[float, float]


def predictions_of(run: RunFolder, *columns: str) -> Predictions:
    """Read the predictions of a run's test.

    Args:
        columns: those to be read; none named is all.

    Raises:
        ConfigError: the record names what is not trusted, or whose code is gone.
        RecordError: they are missing or damaged.
    """
    data = run.read("data.json")
    kind = predictions_class(predictions_target(run.summary))
    try:
        return kind.checked(_read(run, columns), data)
    except (ValueError, TypeError) as error:
        raise _damaged(run, str(error)) from error


def predictions_target(summary: Mapping[str, Any]) -> str:
    """Return what a record names as the class of its predictions."""
    return str(summary.get("predictions", _EARLIER))


def predictions_class(target: str) -> type[Predictions]:
    """Import a class of predictions.

    Raises:
        ConfigError: it is not trusted, or its code is gone.
    """
    return class_of("predictions", {"_target_": target})


def measure_predictions(
    run: RunFolder, nodes: Mapping[str, Any], predictions: Predictions
) -> tuple[dict[str, float], dict[str, Quantity]]:
    """Compute metrics of the predictions of a run's test.

    Args:
        run: the record.
        nodes: the config of each metric, by its name.
        predictions: of the record.

    Returns:
        Their values, and what they are, by name.

    Raises:
        FoveaError: a metric is not trusted, or cannot be computed.
    """
    if not nodes:
        return {}, {}
    data: Any = class_of("data", run.config["data"])
    own = of_record(run.summary).keys() - run.summary.get("metric_nodes", {}).keys()
    metrics = build_metrics(nodes, data.offers_of(run.read("data.json")), own)
    quantities = {name: metric.quantity for name, metric in metrics.items()}
    return measured(metrics, predictions), quantities


def verify(run: RunFolder) -> list[Disagreement] | None:
    """Recompute the metrics of a run's test by its predictions, those by class included.

    Returns:
        What disagrees; ``None`` where the run has no stored predictions.

    Raises:
        FoveaError: as of :func:`predictions_of`.
    """
    if not run.predictions.is_file():
        return None
    predictions = predictions_of(run)
    bounds = predictions.bounds()
    added, _ = measure_predictions(run, run.summary.get("metric_nodes", {}), predictions)
    expected = {
        f"test/{name}": bounds.get(name, (value, value))
        for name, value in {**predictions.metrics(), **added}.items()
    }
    recorded: dict[str, Any] = dict(run.metrics)
    for group, values in predictions.details().items():
        before = run.summary.get(group)
        if isinstance(values, dict) and isinstance(before, dict):
            expected |= {f"{group}: {name}": (each, each) for name, each in values.items()}
            recorded |= {f"{group}: {name}": each for name, each in before.items()}
    return [
        Disagreement(name, value, expected[name])
        for name, value in recorded.items()
        if name in expected and not _within(value, expected[name])
    ]


def _within(value: float | None, bounds: tuple[float | None, float | None]) -> bool:
    low, high = (None if each is None or math.isnan(each) else each for each in bounds)
    if value is None or low is None or high is None:
        return value is None and low is None
    return low - _TOLERANCE <= value <= high + _TOLERANCE


def _columns(run: RunFolder, table: pa.Table) -> dict[str, NDArray[Any]]:
    """Return each column as an array; lists of one length become two axes."""
    found = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        kind = column.type
        if column.null_count:
            raise _damaged(run, f"{name}: {column.null_count} nulls")
        if pa.types.is_list(kind):
            values, lengths = column.flatten(), np.diff(column.offsets.to_numpy())
            width = int(lengths[0])
            if not pa.types.is_floating(kind.value_type) and not pa.types.is_integer(
                kind.value_type
            ):
                raise _damaged(run, f"{name} are {kind}")
            if not width or (lengths != width).any() or values.null_count:
                raise _damaged(run, f"rows of different numbers of {name}")
            found[name] = values.to_numpy(zero_copy_only=False).reshape(len(column), width)
        else:
            found[name] = column.to_numpy(zero_copy_only=False)
    return found


def _read(run: RunFolder, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
    if not run.predictions.is_file():
        raise RecordError(f"run {run.id} has no test predictions ({run.status or 'not run'})")
    try:
        with open_regular(run.predictions) as stream, pq.ParquetFile(stream) as file:
            size, rows = os.fstat(stream.fileno()).st_size, file.metadata.num_rows
            if not 0 < rows <= size:
                raise OSError(f"{rows:,} rows in {size:,} bytes")
            batches = []
            held = 0
            for batch in file.iter_batches(columns=list(columns) or None):
                held += batch.nbytes
                if held > most_of(size):
                    raise OSError(f"its {size:,} bytes hold more than {most_of(size):,}")
                batches.append(batch)
            table = pa.Table.from_batches(batches)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _damaged(run, str(error).partition("\n")[0]) from error
    found = _columns(run, table)
    found.pop("index", None)
    return found


def _damaged(run: RunFolder, reason: str) -> RecordError:
    return RecordError(f"{run.predictions}: damaged ({reason}); {_REMEDY}")
