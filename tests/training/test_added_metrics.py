"""Metrics that a config adds: in training, and of runs that are finished."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from fovea.config.errors import ConfigError
from fovea.problems.recorded import verify
from fovea.records import RunFolder
from fovea.records.quantities import Quantity, of_record
from fovea.sweep.launch import train_run
from fovea.sweep.plan import PlannedRun, plan_command
from fovea.sweep.state import States
from fovea.tables.results import from_record
from fovea.training.evaluate import evaluate

Training = Callable[..., RunFolder]

BOTH = "metrics=[auroc,calibration]"


@pytest.fixture(scope="module")
def measured(trained: Training) -> RunFolder:
    return trained(BOTH, "epochs=2", "trainer.monitor=val/auroc", "trainer.patience=3")


def test_they_are_recorded(measured: RunFolder) -> None:
    (first, second), metrics = measured.history(), measured.metrics
    best = max(first, second, key=lambda row: row["val/auroc"])
    assert measured.summary["best_epoch"] == best["epoch"]
    assert metrics["val/auroc"] == pytest.approx(best["val/auroc"])
    tested = {name: value for name, value in metrics.items() if value is not None}
    assert 0.3 < tested["test/auroc"] < 1
    assert 0 < tested["test/calibration"] < 1
    quantities = of_record(measured.summary)
    assert quantities["auroc"] == Quantity(better="higher")
    assert quantities["calibration"] == Quantity(better="lower")
    values = from_record(measured, 0, ["best(val/auroc)"]).values
    assert values["test/auroc"].value == metrics["test/auroc"]
    assert values["best(val/auroc)"].value == best["val/auroc"]


def test_they_are_measured_and_verified_again(measured: RunFolder) -> None:
    assert evaluate(measured)["test/auroc"] == pytest.approx(measured.metrics["test/auroc"])
    assert verify(measured) == []
    metrics = measured.metrics | {"test/auroc": 0.99, "test/calibration": None}
    with mock.patch.object(RunFolder, "metrics", metrics):
        assert {each.name for each in verify(measured) or ()} == {"test/auroc", "test/calibration"}


def test_what_is_not_defined_agrees_with_no_number(measured: RunFolder) -> None:
    values = {"auroc": math.nan, "calibration": 0.1}
    metrics = measured.metrics | {"test/auroc": None, "test/calibration": 0.1}
    with (
        mock.patch("fovea.problems.recorded.measured", return_value=values),
        mock.patch.object(RunFolder, "metrics", metrics),
    ):
        assert verify(measured) == []


def plan(*overrides: str) -> PlannedRun:
    small = ["epochs=1", "batch_size=16", "model.hidden_sizes=[32]", "model.dropout=0"]
    quick = ["trainer.limit_batches=3", "tracking=csv"]
    cpu = ["trainer.accelerator=cpu", "trainer.precision=32"]
    (run,) = plan_command([*small, *quick, *cpu, *overrides])
    return run


def test_a_finished_run_is_measured_from_its_predictions(
    outputs: Path, trained: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    train_run(plan())
    run = plan(BOTH)
    assert run.id == plan().id
    before = run.folder.metrics
    state = States([run]).of(run)
    assert state.kind == "unmeasured"
    assert state.note.endswith("measured: auroc, calibration from its predictions")
    capsys.readouterr()
    with mock.patch("fovea.training.evaluate.assemble", side_effect=AssertionError):
        summary = train_run(run)
    assert summary is not None
    assert f"{run.id}  mlp-digits-0" in (printed := capsys.readouterr().out)
    assert "test/auroc 0." in printed
    assert before.items() < run.folder.metrics.items()
    whole = trained(BOTH)  # the same training
    for name in ("test/auroc", "test/calibration"):
        assert run.folder.metrics[name] == pytest.approx(whole.metrics[name])
    assert States([run]).of(run).kind == "done"
    assert verify(run.folder) == []
    assert evaluate(run.folder)["test/auroc"] == pytest.approx(whole.metrics["test/auroc"])
    other = plan(BOTH, "metrics.calibration.metric.n_bins=5")
    assert States([other]).of(other).note.endswith("measured: calibration from its predictions")
    with pytest.raises(ConfigError, match=r"^metrics\.accuracy: 'accuracy' is recorded anyway"):
        train_run(plan("+metrics@metrics.accuracy=auroc"))
    run.folder.predictions.unlink()
    assert States([other]).of(other).kind == "damaged"


def test_a_metric_that_the_problem_has_is_refused(trained: Training) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.accuracy: 'accuracy' is recorded anyway"):
        trained("+metrics@metrics.accuracy=auroc")


def test_several_probes_and_trackers(trained: Training) -> None:
    run = trained("probe=[shifts,train]", "probe.shifts.largest=1", "tracking=[csv,tensorboard]")
    assert {"test/accuracy_shift_1", "train_eval/accuracy"} <= run.metrics.keys()
    assert len(run.summary["probes"]) == 2
    assert len([*run.path.glob("loggers/*/*")]) >= 4
