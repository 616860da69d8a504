"""``fovea table --publish`` and ``--verify``, as they are called."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fovea.cli import main
from fovea.commands.table import run
from fovea.records import RunFolder
from fovea.sweep.plan import plan_experiment


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Path) -> Path:
    """An experiment of three runs: one agrees with its predictions, one has none."""
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text('hydra: {sweeper: {params: {seed: "0,1,2"}}}\n')
    monkeypatch.chdir(tmp_path)
    for planned in plan_experiment("mine")[:2]:
        summary = {"status": "finished", "metrics": {"test/accuracy": 0.5}}
        planned.folder.write("summary.json", summary)
    leave_predictions(plan_experiment("mine")[0].folder)
    return folder


def leave_predictions(folder: RunFolder) -> None:
    """Leave predictions of two samples, one of them right."""
    probabilities = [[0.9, 0.1], [0.8, 0.2]]
    frame = {"label": [0, 1], "prediction": [0, 0], "probabilities": probabilities}
    pd.DataFrame(frame).to_parquet(folder.predictions)


def test_what_agrees_and_what_has_no_predictions(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = plan_experiment("mine")[1].folder.id
    assert run("mine", publish=False, verify=True) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"without stored predictions: {without}",
        "1 of 2 finished runs agree with their predictions; 0 do not",
    ]
    assert not (experiment / "results.csv").exists()


def test_a_summary_that_disagrees_is_told_and_not_published(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = plan_experiment("mine")[1].folder
    leave_predictions(wrong)
    summary = wrong.summary | {"metrics": {"test/accuracy": 0.75}}
    wrong.write("summary.json", summary)
    assert run("mine", publish=True, verify=True) == 1
    told = capsys.readouterr().out.splitlines()
    (line,) = (line for line in told if wrong.id in line)
    assert line.replace("│", " ").split() == [wrong.id, "test/accuracy", "0.750000", "0.500000"]
    assert told[-1] == "1 of 2 finished runs agree with their predictions; 1 do not"
    assert not (experiment / "results.csv").exists()


def test_a_publication_names_its_files_and_then_nothing(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("mine", publish=True, verify=False) == 0
    told = capsys.readouterr().out
    assert "50.00 ± 0.00 % (n = 2)" in told
    files = ("configs.jsonl", "results.csv", "README.md", "table.png", "table.svg")
    assert told.splitlines()[-5:] == [str(experiment / name) for name in files]
    assert run("mine", publish=True, verify=False) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "published as it is already"


def test_a_changed_result_is_one_line(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("mine", publish=True, verify=False)
    file = experiment / "results.csv"
    file.write_text(file.read_text().replace("0.5", "0.6"))
    capsys.readouterr()
    with pytest.raises(SystemExit) as refusal:
        main(["table", "mine"])
    assert refusal.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fovea: {file}: line 2 (run ")
    assert "was changed after it was published; restore it" in line
