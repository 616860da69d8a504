"""Stored predictions read back: what a damaged or forged file claims is refused in one line."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fovea.config.errors import RecordError
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.recorded import predictions_of, verify
from fovea.records import RunFolder, run_folder

EVEN = [[0.5, 0.5]] * 4


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = run_folder(outputs, "aaa")
    folder.write("data.json", {"classes": ["cat", "dog"], "fingerprint": "f"})
    folder.write("summary.json", {"status": "finished", "metrics": {}})
    return folder


def read_predictions(run: RunFolder) -> ClassPredictions:
    found = predictions_of(run)
    assert isinstance(found, ClassPredictions)
    return found


def leave(run: RunFolder, **columns: Any) -> None:
    content = {"label": [0, 1, 0, 1], "prediction": [0, 1, 1, 1], "probabilities": EVEN} | columns
    pq.write_table(pa.table(content), run.predictions)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [0, 1, 0, 10**12]}, "label: row 3: 1000000000000 is outside 0–1"),
        ({"label": [0, 2, 0, 1]}, "label: row 1: 2 is outside 0–1"),
        ({"label": [-1, 1, 0, 1]}, "label: row 0: -1 is outside 0–1"),
        ({"label": [0, None, 0, 1]}, "label: 1 nulls"),
        ({"label": [0.0, 1.0, 0.0, 1.0]}, "label: float64, no class numbers"),
        ({"label": [*"abcd"]}, "label: object, no class numbers"),
        ({"prediction": [0, 1, 1, 10**12]}, "prediction: row 3: 1000000000000 is outside 0–1"),
        (
            {"prediction": [0, 1, 1, -(2**63)]},
            "prediction: row 3: -9223372036854775808 is outside 0–1",
        ),
    ],
)
def test_numbers_that_are_no_classes_are_refused(
    run: RunFolder, columns: dict[str, Any], reason: str
) -> None:
    leave(run)
    assert read_predictions(run).classes == ["cat", "dog"]
    leave(run, **columns)
    with pytest.raises(RecordError) as refusal:
        read_predictions(run)
    assert str(refusal.value) == (
        f"{run.predictions}: damaged ({reason}); train it again with rerun=true"
    )


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [
        ([[0.5, 0.5], [1.0], [0.5, 0.5, 0.0], [0.5, 0.5]], "rows of different numbers"),
        ([[0.5, 0.5], None, [0.5, 0.5], [0.5, 0.5]], "probabilities: 1 nulls"),
        ([[0.5, None]] * 4, "rows of different numbers"),
        ([[], [], [], []], "probabilities are list<"),
        ([0.5] * 4, "probabilities are float64"),
        ([["a", "b"]] * 4, "probabilities are list<"),
    ],
)
def test_ragged_probabilities_are_refused(
    run: RunFolder, probabilities: list[Any], reason: str
) -> None:
    leave(run)
    assert read_predictions(run).rows["probabilities"].tolist() == EVEN
    leave(run, probabilities=probabilities)
    with pytest.raises(RecordError, match=rf"predictions\.parquet: damaged \({reason}"):
        read_predictions(run)


def test_a_label_beyond_the_outputs_is_refused(run: RunFolder) -> None:
    leave(run, prediction=[0, 1, 1, 7])
    with pytest.raises(RecordError, match=r"damaged \(prediction: row 3: 7 is outside 0–1\)"):
        verify(run)


@pytest.mark.parametrize(("rows", "reason"), [(10**7, "10,000,000 rows in"), (0, "0 rows in")])
def test_a_number_of_rows_that_cannot_be_is_refused(run: RunFolder, rows: int, reason: str) -> None:
    zeros = np.zeros(rows, np.int8)
    pq.write_table(pa.table({"label": zeros, "prediction": zeros}), run.predictions)
    with pytest.raises(RecordError, match=rf"damaged \({reason}"):
        read_predictions(run)


def test_many_classes_take_no_square_of_memory(run: RunFolder) -> None:
    count = 50_000
    run.write("data.json", {"classes": [f"class {index}" for index in range(count)]})
    numbers = np.arange(count)
    guesses = np.where(numbers % 2, numbers, 0)
    leave(run, label=numbers, prediction=guesses, probabilities=[[0.0]] * count)
    started = time.perf_counter()
    found = predictions_of(run, "label", "prediction")
    assert isinstance(found, ClassPredictions)
    assert len(found.classes) == count
    with pytest.raises(RecordError, match="label: row 1: 1 is outside 0–0"):
        verify(run)
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("classes", [7, "cat", {"cat": 0}, [1, 2], [["cat"]], None])
def test_classes_that_are_no_list_of_names_are_refused(run: RunFolder, classes: Any) -> None:
    leave(run)
    run.write("data.json", {"classes": classes})
    with pytest.raises(RecordError, match=r"damaged \(data\.json: classes\); train it again"):
        read_predictions(run)


def test_what_is_no_regular_file_is_not_read(run: RunFolder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    run.predictions.symlink_to(tmp_path / "pipe")
    with pytest.raises(RecordError, match="run aaa has no test predictions"):
        read_predictions(run)
