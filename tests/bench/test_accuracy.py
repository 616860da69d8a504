"""The comparison of accuracy: what is trained, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fovea.bench import accuracy
from fovea.bench.accuracy import measure_accuracy, recipe
from fovea.sweep.plan import PlannedRun, plan_experiment


def note(run: PlannedRun, folder: Path, measured: float, **other: Any) -> None:
    told = {"accuracy": measured, "recipe": recipe(run) | other}
    file = folder / f"{run.choices['model']}-{run.config['seed']}.json"
    file.write_text(json.dumps(told))


@pytest.fixture
def runs(outputs: Path) -> list[PlannedRun]:
    return plan_experiment("speed")


def refuse(*_: Any) -> None:
    raise AssertionError("nothing was left to train")


def test_a_recorded_reference_is_not_trained_again(runs: list[PlannedRun], tmp_path: Path) -> None:
    for run in runs:
        note(run, tmp_path, 0.5)
    measured = measure_accuracy(tmp_path, processes=1, progress=refuse)
    none = {"fovea": {}, "reference": {"0": 0.5, "1": 0.5, "2": 0.5}}
    assert measured == {"epochs": 5, "accuracy": {"conv_net": none, "resnet": none}}


def test_a_reference_of_another_recipe_is_none(runs: list[PlannedRun], tmp_path: Path) -> None:
    for run in runs:
        note(run, tmp_path, 0.5)
    assert accuracy._recorded(runs[0], tmp_path) == 0.5
    note(runs[0], tmp_path, 0.5, epochs=4)
    assert accuracy._recorded(runs[0], tmp_path) is None
    assert accuracy._recorded(runs[0], tmp_path / "nothing") is None


def test_both_arms_share_the_recipe_and_not_the_path(runs: list[PlannedRun]) -> None:
    shared = recipe(runs[0])
    assert {"data", "model", "augment", "optimizer", "schedule", "epochs"} <= shared.keys()
    assert "trainer" not in shared
