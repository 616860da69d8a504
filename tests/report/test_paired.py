"""McNemar's test, against hand-worked values and statsmodels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon
from statsmodels.stats.contingency_tables import mcnemar as reference
from synthetic_runs import predict, record

from fovea.config.errors import RecordError
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.recorded import predictions_of
from fovea.report.paired import Tested as RunTested
from fovea.report.paired import compare_pairs, mcnemar


def predictions(
    *guesses: int,
    labels: tuple[int, ...] = (0, 0, 0, 0, 1, 1, 1, 1),
    samples: str = "",
    fingerprint: str = "f",
) -> RunTested:
    rows = {"label": np.array(labels), "prediction": np.array(guesses)}
    if samples:
        rows["sample"] = np.array([*samples])
    return RunTested(ClassPredictions(rows, {"classes": ("a", "b")}), fingerprint)


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
    assert (ab.first_better, ab.second_better, ab.p) == (8, 0, pytest.approx(2 / 2**8))
    assert (ac.first_better, ac.second_better, ac.p) == (1, 0, 1)
    assert (bc.first_better, bc.second_better, bc.p) == (0, 7, pytest.approx(2 / 2**7))
    assert ab.adjusted == pytest.approx(3 * ab.p)
    assert bc.adjusted == pytest.approx(2 * bc.p)
    assert ac.adjusted == 1


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (predictions(0, labels=(0,)), "8 samples and 1"),
        (predictions(*[0] * 8, labels=(1,) * 8), "the labels differ"),
        (
            predictions(*[0] * 8, fingerprint="g"),
            "the data sets' fingerprints differ",
        ),
    ],
)
def test_other_samples_are_refused(other: RunTested, reason: str) -> None:
    with pytest.raises(RecordError) as refusal:
        compare_pairs({"one": predictions(*[0] * 8), "two": other})
    assert str(refusal.value) == f"one and two were tested on different data: {reason}"


def test_runs_are_paired_on_the_samples_they_share() -> None:
    one = predictions(0, 0, 1, 1, labels=(0, 0, 1, 1), samples="abcd", fingerprint="one split")
    other = predictions(0, 1, 0, labels=(1, 1, 0), samples="dcx", fingerprint="another")
    (pair,) = compare_pairs({"one": one, "two": other})
    assert (pair.samples, pair.first_better, pair.second_better) == (2, 1, 0)
    assert pair.test == "McNemar's exact test"
    with pytest.raises(RecordError, match="one and two share no test sample"):
        compare_pairs({"one": one, "two": predictions(0, labels=(0,), samples="y")})


class Errors(ClassPredictions):
    """Scores that are numbers."""

    def scores(self):
        return -np.abs(self.labels - self.guesses).astype(float)


def test_scores_that_are_numbers_are_ranked() -> None:
    labels = np.zeros(12, int)
    near, far = np.arange(12), np.arange(12) + 1 + np.arange(12) % 3
    runs = {
        name: RunTested(Errors({"label": labels, "prediction": guesses}, {}), "f")
        for name, guesses in (("near", near), ("far", far))
    }
    (pair,) = compare_pairs(runs)
    assert (pair.test, pair.first_better, pair.second_better) == ("Wilcoxon's signed ranks", 12, 0)
    assert pair.p == pytest.approx(wilcoxon(-near.astype(float), -far.astype(float))[1])


def test_predictions_are_read_back(outputs: Path) -> None:
    run = record(outputs, "a", classes=2)
    predict(run, [0, 0, 1, 1], [0, 3, 1, 0])
    found = predictions_of(run)
    assert isinstance(found, ClassPredictions)
    assert found.classes == ["class 0", "class 1", "output 2", "output 3"]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.guesses.tolist() == [0, 3, 1, 0]


def test_missing_and_damaged_predictions_are_named(outputs: Path) -> None:
    with pytest.raises(RecordError, match=r"^run b has no test predictions \(failed\)$"):
        predictions_of(record(outputs, "b", status="failed"))
    run = record(outputs, "c")
    run.predictions.write_bytes(b"PAR1 but cut")
    with pytest.raises(RecordError, match=r"c/predictions\.parquet: damaged \(.*rerun=true$"):
        predictions_of(run)
