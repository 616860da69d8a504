"""The runs of a report, whatever became of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthetic_runs import record

from fovea.config.numerics import NUMERICS
from fovea.records import all_runs, write_atomic
from fovea.report.entries import ReportedRun, planned, reported_runs
from fovea.sweep.plan import plan_experiment
from fovea.tables.results import published

TENS = ("ab", "bc", "cd", "de", "ef", "fg")  # each ten times the one before


def entry(outputs: Path, run: str = "a") -> ReportedRun:
    (found,) = (each for each in reported_runs(all_runs(outputs)) if each.id == run)
    return found


def test_a_recorded_run(outputs: Path) -> None:
    record(outputs, "a", "model=resnet", "optimizer.lr=0.5", "rerun=true", experiment="trial")
    found = entry(outputs)
    assert (found.status, found.epochs, found.metrics["test/accuracy"]) == ("finished", "4", 0.9)
    assert found.settings["model"] == "resnet"
    assert found.settings["experiment"] == "trial"
    assert found.settings["optimizer.lr"] == 0.5
    assert found.command == "fovea train model=resnet optimizer.lr=0.5 rerun=true"


def test_a_run_whose_numbers_have_changed_since_is_marked(outputs: Path) -> None:
    run = record(outputs, "a", "schedule=one_cycle")
    found = entry(outputs)
    assert found.status == "stale"
    assert found.summary["error"].startswith("trained before the last step of one_cycle")
    run.write("environment.json", run.read("environment.json") | {"numerics": NUMERICS})
    assert entry(outputs).status == "finished"


def test_a_command_is_quoted_for_the_shell(outputs: Path) -> None:
    record(outputs, "a", "model.hidden_sizes=[8,8]")
    assert entry(outputs).command == "fovea train 'model.hidden_sizes=[8,8]' rerun=true"


def test_a_run_without_its_overrides_has_no_command(outputs: Path) -> None:
    run = record(outputs, "a")
    summary = run.summary
    del summary["overrides"]
    run.write("summary.json", summary)
    assert entry(outputs).command is None


def test_the_overrides_of_a_run_of_an_earlier_version(outputs: Path) -> None:
    run = record(outputs, "a")
    summary = run.summary
    del summary["overrides"]
    run.write("summary.json", summary)
    write_atomic(run.path / ".hydra" / "overrides.yaml", b"- seed=3\n")
    assert entry(outputs).command == "fovea train seed=3 rerun=true"
    tens = [f"- &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in TENS]
    write_atomic(run.path / ".hydra" / "overrides.yaml", ("- &a [x]\n" + "".join(tens)).encode())
    assert entry(outputs).command is None


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_run_that_did_not_end(outputs: Path, status: str) -> None:
    record(outputs, "a", status=status)
    found = entry(outputs)
    assert (found.status, found.epochs, found.metrics) == (status, "2 of 4", {})


def test_a_run_that_diverged(outputs: Path) -> None:
    record(outputs, "a", accuracy=None)
    found = entry(outputs)
    assert (found.status, found.metrics["test/accuracy"]) == ("diverged", None)


@pytest.mark.parametrize("file", ["summary.json", "history.csv", "config.yaml"])
def test_a_damaged_run_is_shown_as_such(outputs: Path, file: str) -> None:
    run = record(outputs, "a")
    (run.path / file).write_text("{,\n1,2,3")
    found = entry(outputs)
    assert found.status == "damaged"
    assert str(run.path / file) in found.summary["error"]


def test_the_latest_run_is_first(outputs: Path) -> None:
    for run, started in (("a", "2026-01-02"), ("b", "2026-01-03"), ("c", "2026-01-01")):
        record(outputs, run, started=started)
    assert [each.id for each in reported_runs(all_runs(outputs))] == ["b", "a", "c"]


def test_planned_runs_are_there_before_they_are_run(outputs: Path) -> None:
    plan = plan_experiment("quickstart")
    record(outputs, plan[1].folder.id)
    entries = planned({"quickstart": plan})
    ids = list(published("quickstart"))  # in the order of the plan
    assert [each.id for each in entries] == [ids[0], plan[1].id, *ids[2:]]
    assert [each.status for each in entries[:3]] == ["published", "finished", "published"]
    assert entries[0].command == "fovea train model=mlp seed=0 experiment=quickstart"
    assert entries[1].command == "fovea train model=mlp seed=1 experiment=quickstart rerun=true"
    assert [each.epochs for each in entries[:2]] == ["20", "4 of 20"]


def test_a_published_run_has_its_final_numbers(outputs: Path) -> None:
    plan = plan_experiment("relu_vs_tanh")
    results = published("relu_vs_tanh")
    for found in planned({"relu_vs_tanh": plan}):
        values = results[found.id].values
        assert found.metrics["test/accuracy"] == values["test/accuracy"].value
        assert found.metrics.keys() == {key for key in values if re.fullmatch(r"\w+/\w+", key)}
        assert found.epochs == f"{values['epochs'].value} of 40"
        assert found.summary["seconds"] == values["seconds"].value
        assert not found.history


def test_a_run_neither_recorded_nor_published_is_not_run(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.report.entries.published_results", lambda plan: {})
    found = planned({"quickstart": plan_experiment("quickstart")})[0]
    assert (found.status, found.epochs, found.metrics) == ("not run", "0 of 20", {})


def test_a_run_that_experiments_share_is_shown_once(outputs: Path) -> None:
    plan = plan_experiment("quickstart")
    entries = planned({"quickstart": plan, "other": plan[:2]})
    assert len(entries) == len(plan)
