"""The comparison of accuracy: what is trained, and what is known already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fovea.bench import accuracy
from fovea.bench.accuracy import measure_accuracy, merge_accuracy, recipe
from fovea.sweep.plan import PlannedRun, plan_experiment


def note(run: PlannedRun, folder: Path, measured: float, **other: Any) -> None:
    told = {"accuracy": measured, "recipe": recipe(run.config) | other}
    file = folder / f"{run.choices['model']}-{run.config['seed']}.json"
    file.write_text(json.dumps(told))


@pytest.fixture
def runs(outputs: Path) -> list[PlannedRun]:
    return plan_experiment("speed")


def refuse(*_: Any) -> None:
    raise AssertionError("nothing was left to train")


def measure(folder: Path, published: dict[str, Any] | None) -> dict[str, Any]:
    return measure_accuracy(folder, published, processes=1, progress=refuse)


def test_what_is_recorded_or_published_is_not_trained_again(
    runs: list[PlannedRun], tmp_path: Path
) -> None:
    for run in runs[1:]:
        note(run, tmp_path, 0.5)
    first = {"conv_net": {"fovea": {"0": 0.8}, "reference": {"0": 0.25}}}
    published = {"recipe": accuracy._digest(runs), "accuracy": first}
    measured = measure(tmp_path, published)["accuracy"]
    assert measured["conv_net"] == {
        "fovea": {"0": 0.8},
        "reference": {"0": 0.25, "1": 0.5, "2": 0.5},
    }
    assert measured["resnet"] == {"fovea": {}, "reference": {"0": 0.5, "1": 0.5, "2": 0.5}}


def test_a_reference_of_another_recipe_is_none(runs: list[PlannedRun], tmp_path: Path) -> None:
    for run in runs:
        note(run, tmp_path, 0.5)
    assert accuracy._recorded(runs[0], tmp_path) == 0.5
    note(runs[0], tmp_path, 0.5, epochs=4)
    assert accuracy._recorded(runs[0], tmp_path) is None
    assert accuracy._recorded(runs[0], tmp_path / "nothing") is None


def test_both_arms_share_the_recipe_and_not_the_path(runs: list[PlannedRun]) -> None:
    shared = recipe(runs[0].config)
    assert {"data", "model", "augment", "optimizer", "schedule", "epochs"} <= shared.keys()
    assert "trainer" not in shared


def test_seeds_of_the_same_recipe_are_merged() -> None:
    published = {"recipe": "abc", "accuracy": {"resnet": {"fovea": {"0": 0.1}, "reference": {}}}}
    measured = {"recipe": "abc", "accuracy": {"resnet": {"fovea": {"1": 0.2}, "reference": {}}}}
    merged = merge_accuracy(published, measured)["accuracy"]["resnet"]["fovea"]
    assert merged == {"0": 0.1, "1": 0.2}
    assert merge_accuracy(published | {"recipe": "old"}, measured) == measured
    assert merge_accuracy(None, measured) == measured
