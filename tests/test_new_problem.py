"""A problem from outside: written by ``fovea new``, trained, tested, compared, and outlived."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fovea import cli
from fovea.config.errors import ConfigError
from fovea.data.base import Inputs
from fovea.records import all_runs
from fovea.sweep.plan import plan_command, plan_experiment

NAME = "outside_series"
QUICK = ("epochs=2", "model.width=4,8", "seed=0,1", "launcher=inline", "tracking=csv")


def fovea(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with the problem, in which its experiment was trained and published."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FOVEA_OUTPUTS", str(folder / "outputs"))
        patch.setenv("FOVEA_TRUST", NAME)
        assert fovea("new", "problem", NAME) == 0
        sweep = folder / "experiments" / NAME / "sweep.yaml"
        text = sweep.read_text().replace("epochs: 10", "epochs: 2").replace("0,1,2", "0,1")
        sweep.write_text(text)
        assert fovea("train", f"experiment={NAME}", "launcher=inline", "tracking=csv") == 0
        assert fovea("table", NAME, "--publish") == 0
        yield folder


@pytest.fixture(autouse=True)
def _in_the_lab(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab)
    monkeypatch.setenv("FOVEA_OUTPUTS", str(lab / "outputs"))
    monkeypatch.setenv("FOVEA_TRUST", NAME)


def test_the_data_chooses_what_goes_with_it() -> None:
    (run,) = plan_command([f"data={NAME}", f"model={NAME}_net", "seed=0"])
    assert (run.choices["task"], run.choices["loss"], run.choices["augment"]) == (
        NAME,
        NAME,
        "none",
    )
    (other,) = plan_command([f"data={NAME}", f"model={NAME}_net", "seed=0", "loss=cross_entropy"])
    assert (other.choices["task"], other.choices["loss"]) == (NAME, "cross_entropy")
    with pytest.raises(ConfigError, match="data of different problems; sweep each by itself"):
        plan_command([f"data={NAME},digits"])


def test_a_pair_that_does_not_fit_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert fovea("train", f"data={NAME}", "model=mlp", "seed=0", "tracking=csv") == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "fovea: model.num_classes=auto: the data offers length; set a value"


def test_its_runs_are_recorded(lab: Path) -> None:
    runs = all_runs(lab / "outputs")
    assert [run.status for run in runs] == ["finished"] * 4
    summary = runs[0].summary
    assert summary["monitor"] == "val/mae"
    assert summary["quantities"]["mae"]["better"] == "lower"
    best = min(row["val/mae"] for row in runs[0].history())
    assert runs[0].metrics["val/mae"] == best
    assert {"test/mae", "test/r2", "test/loss", "train/loss"} <= runs[0].metrics.keys()
    assert runs[0].read("data.json")["offers"] == {"length": 64}


def test_it_is_measured_again_verified_and_compared(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = (run.id for run in all_runs(lab / "outputs"))
    assert fovea("test", first) == 0
    assert fovea("table", NAME, "--verify") == 0
    assert fovea("compare", first, second) == 0
    told = capsys.readouterr().out
    assert "4 of 4 finished runs agree with their predictions; 0 do not" in told
    assert "Wilcoxon's signed ranks, on the test samples that both runs share" in told


def test_data_that_reads_no_new_samples_is_one_line(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = (run.id for run in all_runs(lab / "outputs"))
    assert fovea("predict", first, "series.csv") == 2
    told = capsys.readouterr().err.splitlines()
    line = "fovea: SeriesData reads no new samples; fovea predict needs its method 'read'"
    assert told == [line]


def test_new_samples_are_predicted_by_what_the_data_reads(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, *_ = all_runs(lab / "outputs")
    data = importlib.import_module(f"{NAME}.data").SeriesData

    def read(cls: type, described: dict[str, Any], given: list[str]) -> Iterator[Inputs]:
        for name in given:
            yield Inputs([name], (torch.zeros(1, described["offers"]["length"]),))

    monkeypatch.setattr(data, "read", classmethod(read))
    assert fovea("predict", run.id, "one", "two", "--out", "said") == 0
    rows = list(csv.reader(Path("said/predictions.csv").read_text().splitlines()))
    assert rows[0] == ["file", "prediction"]
    assert [row[0] for row in rows[1:]] == ["one", "two"]
    assert rows[1][1] == rows[2][1]
    kept = json.loads(Path("said/predictions.json").read_text())
    assert kept["predictions"][0] == {"file": "one", "prediction": float(rows[1][1])}
    assert not Path("said/predictions.png").exists()
    assert capsys.readouterr().out.split()[:2] == ["file", "prediction"]


def test_a_finished_sweep_is_not_trained_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert fovea("train", f"experiment={NAME}", "launcher=inline", "tracking=csv") == 0
    assert "4 of 4 runs were finished already" in capsys.readouterr().out


def test_names_that_are_taken_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name, reason in (
        (NAME, "there is a data="),
        ("torch", "an installed package has that name"),
        ("two words", "not the name of a Python package"),
        ("mnist", "there is a data=mnist already"),
    ):
        assert fovea("new", "problem", name) == 2
        assert reason in capsys.readouterr().err


def test_an_option_of_the_folder_holds_no_interpolation(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lab / "conf" / "loss" / "leaking.yaml"
    file.write_text("_target_: torch.nn.MSELoss\nreduction: ${oc.env:HOME}\n")
    assert fovea("train", "loss=leaking", "--dry-run") == 2
    assert "an option holds values, no interpolations" in capsys.readouterr().err
    file.unlink()


def test_a_record_outlives_its_code(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last: the code, the options and then the records are deleted."""
    assert fovea("table", NAME) == 0
    before = capsys.readouterr().out
    monkeypatch.delenv("FOVEA_TRUST")
    shutil.rmtree(lab / NAME)
    shutil.rmtree(lab / "conf")
    for command in (("table", NAME), ("status", NAME), ("report", NAME), ("runs",)):
        assert fovea(*command) == 0
        told = capsys.readouterr()
        if command[0] != "runs":
            assert "shown is what is recorded and published" in told.err
        if command[0] == "table":
            assert told.out == before
    shutil.rmtree(lab / "outputs" / "runs")
    assert fovea("table", NAME) == 0
    assert capsys.readouterr().out == before
    with pytest.raises(ConfigError):
        plan_experiment(NAME)
