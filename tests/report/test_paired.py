"""McNemar's test, against hand-worked values and statsmodels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference
from synthetic_runs import predict, record

from fovea.config.errors import RecordError
from fovea.report.paired import compare_pairs, mcnemar
from fovea.tables.predictions import Predictions, read_predictions


def predictions(*guesses: int, labels: tuple[int, ...] = (0, 0, 0, 0, 1, 1, 1, 1)) -> Predictions:
    return Predictions(np.array(labels), np.array(guesses), ("a", "b"), "f")


def test_p_by_hand() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 5) == pytest.approx(2 / 2**5)  # both tails
    assert mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 2**6)
    assert mcnemar(3, 3) == 1


@pytest.mark.parametrize("counts", [(0, 1), (4, 9), (30, 70), (500, 650)])
def test_p_is_statsmodels(counts: tuple[int, int]) -> None:
    first, second = counts
    expected = reference([[100, first], [second, 100]], exact=True).pvalue
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(second, first) == pytest.approx(expected, rel=1e-9)


def test_pairs_and_holm() -> None:
    right = (0, 0, 0, 0, 1, 1, 1, 1)
    wrong = tuple(1 - each for each in right)
    runs = {"a": predictions(*right), "b": predictions(*wrong), "c": predictions(*right[:7], 0)}
    ab, ac, bc = compare_pairs(runs)
    assert (ab.first, ab.second, ab.samples) == ("a", "b", 8)
    assert (ab.only_first, ab.only_second, ab.p) == (8, 0, pytest.approx(2 / 2**8))
    assert (ac.only_first, ac.only_second, ac.p) == (1, 0, 1)
    assert (bc.only_first, bc.only_second, bc.p) == (0, 7, pytest.approx(2 / 2**7))
    assert ab.adjusted == pytest.approx(3 * ab.p)
    assert bc.adjusted == pytest.approx(2 * bc.p)
    assert ac.adjusted == 1


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (predictions(0, labels=(0,)), "8 samples and 1"),
        (predictions(*[0] * 8, labels=(1,) * 8), "the labels differ"),
        (
            Predictions(np.array([0] * 4 + [1] * 4), np.zeros(8, int), ("a", "b"), "g"),
            "the data sets' fingerprints differ",
        ),
    ],
)
def test_other_samples_are_refused(other: Predictions, reason: str) -> None:
    with pytest.raises(RecordError) as refusal:
        compare_pairs({"one": predictions(*[0] * 8), "two": other})
    assert str(refusal.value) == f"one and two were tested on different data: {reason}"


def test_predictions_are_read_back(outputs: Path) -> None:
    run = record(outputs, "a", classes=2)
    predict(run, [0, 0, 1, 1], [0, 3, 1, 0])
    found = read_predictions(run)
    assert found.names == ["class 0", "class 1", "output 2", "output 3"]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.predictions.tolist() == [0, 3, 1, 0]
    assert found.fingerprint == "f" * 64


def test_missing_and_damaged_predictions_are_named(outputs: Path) -> None:
    with pytest.raises(RecordError, match=r"^run b has no test predictions \(failed\)$"):
        read_predictions(record(outputs, "b", status="failed"))
    run = record(outputs, "c")
    run.predictions.write_bytes(b"PAR1 but cut")
    with pytest.raises(RecordError, match=r"c/predictions\.parquet: damaged \(.*rerun=true$"):
        read_predictions(run)
