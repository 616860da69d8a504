"""Runs seen together: cells, curves, confusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import predict, record

from fovea.problems.classification import charts
from fovea.records import all_runs
from fovea.report import runs
from fovea.report.entries import reported_runs
from fovea.report.runs import Overview


def seen(outputs: Path) -> Overview:
    return Overview(sorted(reported_runs(all_runs(outputs)), key=lambda entry: entry.id))


def of_classes(found: Overview) -> tuple[list[Any], list[Any], list[str]]:
    """The rows of both charts of classification, and what is missing."""
    ((confusion, classes),), missing = found.of_problems()
    return list(confusion.rows), list(classes.rows), missing


def test_a_cell_is_told_by_what_differs_less_the_seed(outputs: Path) -> None:
    record(outputs, "a", "model=mlp", "seed=0")
    record(outputs, "b", "model=mlp", "seed=1")
    record(outputs, "c", "model=lenet5", "optimizer.lr=0.1")
    found = seen(outputs)
    assert found.keys == ["model", "optimizer.lr", "seed"]
    assert found.hyperparameters == ["model", "optimizer.lr"]
    assert found.cells == ["mlp, lr=0.001", "mlp, lr=0.001", "lenet5, lr=0.1"]


def test_runs_that_do_not_differ_are_told_by_model_and_data(outputs: Path) -> None:
    record(outputs, "a")
    found = seen(outputs)
    assert (found.keys, found.cells) == ([], ["mlp, digits"])


def test_a_damaged_run_is_a_cell_of_its_own(outputs: Path) -> None:
    record(outputs, "a")
    (record(outputs, "b").path / "config.yaml").write_text("[")
    assert seen(outputs).cells == ["mlp, digits", "b"]


def test_test_metrics_come_first(outputs: Path) -> None:
    metrics = {"train/loss": 1, "val/accuracy": 1, "test/loss": 1, "test/accuracy": 1, "own": 1}
    record(outputs, "a", metrics=metrics)
    assert seen(outputs).metrics == [
        *("test/accuracy", "test/loss", "val/accuracy", "train/loss", "own"),
    ]


def test_curves(outputs: Path) -> None:
    record(outputs, "a", "seed=3", accuracy=None)
    record(outputs, "b", "seed=4")
    curve, _ = seen(outputs).curves()
    assert curve["run"] == "a"
    assert curve["keys"] == {"cell": "mlp, digits", "seed": "3"}
    assert curve["at"] == [0, 1, 2, 3]
    assert curve["x"] == {
        "epoch": [1, 2, 3, 4],
        "step": [10, 20, 30, 40],
        "seconds": [0.5, 1.0, 1.5, 2.0],
    }
    assert curve["y"]["train/loss"] == [1.55, 1.1, "NaN", "NaN"]


def test_long_histories_are_thinned_and_keep_both_ends(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_POINTS", 20)
    for run in "ab":
        record(outputs, run, f"seed={ord(run)}", epochs=95)
    for curve in seen(outputs).curves():
        epochs = curve["x"]["epoch"]
        assert (epochs[0], epochs[-1]) == (1, 95)
        assert len(epochs) == len(curve["at"]) == len(curve["y"]["val/loss"]) <= 11


def test_confusion_is_summed_over_a_cells_runs(outputs: Path) -> None:
    predict(record(outputs, "a", "seed=0", classes=2), [0, 0, 1, 1], [0, 1, 1, 1])
    predict(record(outputs, "b", "seed=1", classes=2), [0, 0, 1, 1], [0, 0, 1, 2])
    (row,), _, missing = of_classes(seen(outputs))
    assert row["names"] == ["class 0", "class 1", "output 2"]
    entries = zip(row["true"], row["predicted"], row["count"], strict=True)
    assert set(entries) == {(0, 0, 3), (0, 1, 1), (1, 1, 3), (1, 2, 1)}
    assert missing == []


def test_what_has_no_confusion_matrix_is_named(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "_LARGEST", 5)
    record(outputs, "a", "model=mlp", accuracy=0.5, classes=2)
    record(outputs, "b", "model=lenet5", accuracy=0.5, classes=2)
    record(outputs, "c", "model=vgg").predictions.unlink()
    record(outputs, "d", "model=resnet", status="failed")  # has nothing to show: not missing
    rows, _, missing = of_classes(seen(outputs))
    assert [row["cell"] for row in rows] == ["mlp"]
    assert missing == [
        "the confusion matrix of lenet5: too many for one file",
        "run c has no test predictions (finished)",
    ]


def test_forged_labels_are_named_and_stepped_over(outputs: Path) -> None:
    predict(record(outputs, "a", "seed=0", classes=2), [0, 10**12], [0, 1])
    predict(record(outputs, "b", "seed=1", classes=2), [0, 1], [0, 99_999])
    predict(record(outputs, "c", "seed=2", classes=2), [0, 1], [0, 10**12])
    (row,), _, missing = of_classes(seen(outputs))
    assert (row["true"], row["predicted"], row["count"]) == ([0, 1], [0, 99_999], [1, 1])
    assert [line.partition(": ")[2].partition(";")[0] for line in missing] == [
        "damaged (label: row 1: 1000000000000 is outside 0–1)",
        "damaged (prediction: row 1: 1000000000000 is outside 0–99999)",
    ]


def test_accuracy_on_every_class(outputs: Path) -> None:
    record(outputs, "a", per_class_accuracy={"cat": 0.123456, "dog": None})
    _, (row,), _ = of_classes(seen(outputs))
    assert (row["names"], row["accuracy"], row["order"]) == (["cat", "dog"], [0.1235, None], [0, 1])


def test_what_is_a_share_is_said_by_the_runs(outputs: Path) -> None:
    record(outputs, "a")
    found = seen(outputs)
    assert found.watched == "accuracy"
    assert found.shares() == ["train/accuracy", "val/accuracy"]
    own = {"accuracy": {"label": "", "format": "number", "better": "lower"}}
    record(outputs, "b", "seed=1", quantities=own, monitor="val/accuracy")
    assert seen(outputs).shares() == []


def test_the_metric_that_most_runs_watch_comes_first(outputs: Path) -> None:
    metrics = {"test/error": 1, "test/loss": 1, "test/mae": 1, "test/accuracy": 1}
    record(outputs, "a", metrics=metrics)
    for run in "bc":
        record(outputs, run, f"seed={ord(run)}", metrics=metrics, monitor="val/mae")
    found = seen(outputs)
    assert found.watched == "mae"
    assert found.metrics == ["test/mae", "test/accuracy", "test/error", "test/loss"]


def test_runs_of_a_problem_that_is_gone_are_named_once(outputs: Path) -> None:
    record(outputs, "a")
    for run in "bc":
        record(outputs, run, f"seed={ord(run)}", predictions="gone_problem.Rows")
    ((confusion, _),), (reason,) = seen(outputs).of_problems()
    assert len(confusion.rows) == 1
    assert reason.startswith("charts of the problem of 2 runs, if it has any: predictions._target_")
    assert "'gone_problem' is not trusted" in reason
