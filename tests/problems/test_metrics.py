"""Metrics beside a problem's own, of predictions alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.config.trust import find_named_packages
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.metrics import Metric, build_metrics, measured
from fovea.records.quantities import Quantity

CLASSES = 3


def predictions(count: int = 200, *, without: int | None = None) -> ClassPredictions:
    """Return random predictions, somewhat right; no sample is of the class ``without``."""
    noise = np.random.default_rng(0)
    label = noise.integers(0, CLASSES, count)
    if without is not None:
        label[label == without] = (without + 1) % CLASSES
    scores = noise.random((count, CLASSES)) + np.eye(CLASSES)[label] / 2
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    rows = {"label": label, "prediction": probabilities.argmax(axis=1)}
    return ClassPredictions(rows | {"probabilities": probabilities}, {})


def built(*overrides: str, **more: Any) -> dict[str, Metric]:
    nodes = compose_run(["metrics=[auroc,calibration]", *overrides])["metrics"]
    return build_metrics(nodes | more, {"num_classes": CLASSES})


def calibration_error(made: ClassPredictions, bins: int) -> float:
    """Return the expected calibration error, as Guo et al. 2017 define it."""
    confidence = made.rows["probabilities"].max(axis=1)
    error = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence >= low) & (confidence < low + 1 / bins)
        if inside.any():
            gap = made.scores()[inside].mean() - confidence[inside].mean()
            error += inside.mean() * abs(gap)
    return error


def test_the_metrics_that_ship_are_what_they_are_called() -> None:
    made = predictions()
    found = measured(built(), made)
    auroc = roc_auc_score(made.labels, made.rows["probabilities"], multi_class="ovr")
    assert found["auroc"] == pytest.approx(auroc, abs=1e-6)
    assert found["calibration"] == pytest.approx(calibration_error(made, 15), abs=1e-6)
    assert measured(built(), made) == found  # nothing is left of the first time
    quantities = {name: metric.quantity for name, metric in built().items()}
    assert quantities == {
        "auroc": Quantity(better="higher"),
        "calibration": Quantity(better="lower"),
    }


def test_what_is_not_defined_is_no_number() -> None:
    found = measured(built(), predictions(without=1))
    assert math.isnan(found["auroc"])
    assert found["calibration"] > 0
    diverged = predictions()
    diverged.rows["probabilities"][7] = math.nan
    assert all(map(math.isnan, measured(built(), diverged).values()))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("metrics.auroc.takes=[scores,label]", "metrics.auroc: KeyError: 'scores'; the rows are"),
        ("metrics.auroc.metric.num_classes=7", "metrics.auroc: ValueError: .*; the rows are label"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        measured(built(override), predictions())
    assert str(caught.value).endswith("; the rows are label, prediction, probabilities")
    assert len(str(caught.value).splitlines()) == 1


def test_an_auto_that_is_not_offered_is_told() -> None:
    nodes = compose_run(["metrics=auroc"])["metrics"]
    with pytest.raises(
        ConfigError, match=r"metrics\.auroc\.metric\.num_classes=auto: the data off"
    ):
        build_metrics(nodes, {"channels": 3})


def test_a_metric_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_metrics.py").write_text(
        "from fovea.problems.metrics import Metric\n"
        "class Share(Metric):\n"
        "    def __init__(self, of):\n"
        "        self.of = of\n"
        "    def __call__(self, predictions):\n"
        "        return (predictions.rows['prediction'] == self.of).mean()\n"
    )
    monkeypatch.chdir(tmp_path)
    node = {"_target_": "own_metrics.Share", "of": 2}
    with pytest.raises(ConfigError, match="'own_metrics' is not trusted"):
        build_metrics({"share": node}, {})
    monkeypatch.setenv("FOVEA_TRUST", "own_metrics")
    find_named_packages()
    made = predictions()
    found = measured(build_metrics({"share": node}, {}), made)
    assert found == {"share": (made.guesses == 2).mean()}
