"""Sweeps: what is planned, what is launched, and what is told of it."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fovea.config import paths
from fovea.config.compose import choices, compose_sweep, config_loader, plain
from fovea.config.errors import ConfigError, DataError
from fovea.config.identity import run_id
from fovea.config.numerics import NUMERICS
from fovea.sweep.execute import SweepError, execute, require_writable
from fovea.sweep.launch import LaunchOutcome
from fovea.sweep.overview import print_overview
from fovea.sweep.plan import PlannedRun, changes_cells, plan, plan_experiment
from fovea.sweep.telling import report
from fovea.sweep.workers import WorkerDiedError

Launch = Callable[[Sequence[PlannedRun]], Sequence[LaunchOutcome]]


def planned(*overrides: str) -> list[PlannedRun]:
    with config_loader() as loader:
        return plan(loader, compose_sweep(loader, []), overrides)


def finish(run: PlannedRun, accuracy: float) -> None:
    """Leave the record of a finished run."""
    metrics = {"test/accuracy": accuracy}
    run.folder.write("summary.json", {"status": "finished", "metrics": metrics, "seconds": 1.0})


def launcher(**failures: Exception) -> tuple[Launch, list[str]]:
    """Return a launcher that finishes runs, or fails those of a seed, and the list of its jobs."""
    launched: list[str] = []

    def launch(runs: Sequence[PlannedRun]) -> list[LaunchOutcome]:
        results: list[LaunchOutcome] = []
        for run in runs:
            launched.append(" ".join(run.overrides))
            error = failures.get(f"seed{run.config['seed']}")
            if error is None:
                finish(run, accuracy=0.9 + run.config["seed"] / 100)
            results.append(error or run.folder.summary)
        return results

    return launch, launched


def test_the_grid_is_planned_in_the_order_given(outputs: Path) -> None:
    runs = planned("model=mlp,lenet5", "seed=0,1", "epochs=1")
    assert [run.overrides for run in runs] == [
        ("model=mlp", "seed=0", "epochs=1"),
        ("model=mlp", "seed=1", "epochs=1"),
        ("model=lenet5", "seed=0", "epochs=1"),
        ("model=lenet5", "seed=1", "epochs=1"),
    ]
    assert [run.cell for run in runs[1:3]] == [
        ("model=mlp", "epochs=1"),
        ("model=lenet5", "epochs=1"),
    ]
    assert [run.config["seed"] for run in runs] == [0, 1, 0, 1]
    assert [run.choices["model"] for run in runs] == ["mlp", "mlp", "lenet5", "lenet5"]
    assert "experiment" not in runs[0].choices
    assert [run.folder.path for run in runs] == [
        outputs / "runs" / run_id(run.scientific) for run in runs
    ]
    assert not outputs.exists()


def test_folds_are_runs_of_one_cell(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = planned("model=mlp,simple_cnn", "data.folds=3", "data.fold=0,1,2", "seed=0,1")
    assert {run.cell for run in runs} == {
        ("model=mlp", "data.folds=3"),
        ("model=simple_cnn", "data.folds=3"),
    }
    assert len({run.id for run in runs}) == len(runs) == 12
    assert runs[4].repeat == (0, 2)
    assert runs[0].own_overrides == "model=mlp data.folds=3 data.fold=0"
    for run in runs:
        finish(run, 0.8 + run.config["data"]["fold"] / 100 + (run.choices["model"] == "mlp") / 50)
    table = report(runs)
    (entry,) = (row.entries[0] for row in table.rows if row.key[0].startswith("model=mlp"))
    assert entry.measurement is not None
    assert (entry.measurement.n, entry.folds, len(entry.runs)) == (3, 3, 6)
    assert "n counts folds, of 3; of each, the mean over 2 seeds" in " ".join(table.notes)
    print_overview(runs)
    told = capsys.readouterr().out
    assert re.search(r"model +seed +fold +run +state", told)
    assert re.search(rf"simple_cnn +1 +2 +{runs[-1].id} +done", told)
    # the fold is no more than a seed to what an experiment's grid is
    assert not changes_cells(["data.fold=0", "seed=5"], runs)
    assert changes_cells(["data.folds=5"], runs)


def test_a_run_that_occurs_twice_is_planned_once() -> None:
    runs = planned("seed=0,1,0", "optimizer.lr=1,1.0")
    assert [run.overrides for run in runs] == [
        ("seed=0", "optimizer.lr=1"),
        ("seed=1", "optimizer.lr=1"),
    ]


def test_the_grid_is_gone_through_in_each_arm() -> None:
    arms = {
        "printed": {"model": "mlp", "optimizer.lr": "0.1,0.2"},
        "mine": {"model": "lenet5", "epochs": 3},
    }
    with config_loader() as loader:
        runs = plan(loader, compose_sweep(loader, []), ["seed=0,1", "epochs=1"], arms)
    assert [(run.arm, run.overrides) for run in runs[::2]] == [
        ("printed", ("model=mlp", "optimizer.lr=0.1", "seed=0", "epochs=1")),
        ("printed", ("model=mlp", "optimizer.lr=0.2", "seed=0", "epochs=1")),
        ("mine", ("model=lenet5", "seed=0", "epochs=1")),
    ]
    assert len(runs) == 6
    assert runs[4].cell == ("arm=mine", "model=lenet5", "epochs=1")
    assert [runs[4].value(key) for key in ("arm", "model", "epochs", "optimizer.lr")] == [
        "mine",
        "lenet5",
        "1",
        "0.001",
    ]


def test_configs_are_those_that_hydra_composes() -> None:
    arguments = [
        "model=mlp,resnet",
        "optimizer=sgd,adamw",
        "++optimizer.lr=1e-3,0.5",
        "schedule=cosine",
        "data.normalize=none",
        "tracking.tags=[x,y]",
        "outputs=/elsewhere",
        "seed=0,3",
    ]
    with config_loader() as loader:
        master = compose_sweep(loader, ["experiment=quickstart"])
        runs = plan(loader, master, [*arguments, "experiment=quickstart"])
        assert len(runs) == 16
        for run in runs:
            whole = loader.load_sweep_config(master, list(run.overrides))
            assert run.config == plain(whole)
            assert run.choices == choices(whole.hydra.runtime.choices)


def test_arms_may_share_a_run_which_is_launched_once(outputs: Path) -> None:
    with config_loader() as loader:
        runs = plan(loader, compose_sweep(loader, []), ["seed=0,1"], {"one": {}, "other": {}})
    assert len(runs) == 4
    launch, launched = launcher()
    execute(runs, launch=launch)
    assert launched == ["seed=0", "seed=1"]


def test_hydra_ranges_and_choices_are_grids() -> None:
    runs = planned("seed=range(2)", "batch_size=choice(32,64)")
    assert [(run.config["seed"], run.config["batch_size"]) for run in runs] == [
        (0, 32),
        (0, 64),
        (1, 32),
        (1, 64),
    ]


def test_a_bad_cell_is_named_before_anything_starts(outputs: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        planned("model=mlp,lenet5", "batch_size=2,0")
    expected = "batch_size=0: should be greater than 0 [in: model=mlp batch_size=0]"
    assert str(refusal.value) == expected
    with pytest.raises(ConfigError, match=r"^epochs=-1: should be greater than or equal to 0$"):
        planned("epochs=-1")
    assert not outputs.exists()


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ConfigError) as refusal:
        planned("model=glob(zz*)", "seed=0,1")
    assert str(refusal.value) == (
        "no runs: a pattern in 'model=glob(zz*) seed=0,1' matches no option"
    )


def test_the_quickstart_is_three_networks_on_three_seeds(outputs: Path) -> None:
    runs = plan_experiment("quickstart")
    assert [(run.choices["model"], run.config["seed"]) for run in runs] == [
        (model, seed) for model in ("mlp", "lenet5", "resnet") for seed in (0, 1, 2)
    ]
    assert {run.config["experiment"] for run in runs} == {"quickstart"}
    assert not outputs.exists()


def test_an_unknown_experiment_is_told_with_its_nearest() -> None:
    with pytest.raises(ConfigError) as refusal:
        plan_experiment("quikstart")
    assert str(refusal.value).startswith(
        "no experiment 'quikstart'; did you mean 'quickstart'? (known: "
    )


def test_an_experiment_shares_the_runs_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "experiments" / "same_cells"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(
        "defaults: [override /schedule: cosine]\nepochs: 20\n"
        "hydra: {sweeper: {params: {model: 'resnet,mlp', seed: 2}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    of_quickstart = {run.folder.id for run in plan_experiment("quickstart")}
    shared = plan_experiment("same_cells")
    assert len(shared) == 2
    assert {run.folder.id for run in shared} < of_quickstart


def test_finished_runs_are_not_launched_again(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = planned("seed=0,1,2")
    finish(runs[1], accuracy=0.5)
    runs[2].folder.write("summary.json", {"status": "interrupted"})
    launch, launched = launcher()
    execute(runs, launch=launch)
    assert launched == ["seed=0", "seed=2"]
    assert runs[1].folder.metrics == {"test/accuracy": 0.5}
    printed = capsys.readouterr().out
    assert "1 of 3 runs were finished already (rerun=true trains them again)" in printed

    again, launched = launcher()
    execute(runs, launch=again)
    assert launched == []


def test_stale_runs_are_trained_again_if_asked(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("schedule=one_cycle", "rerun=stale", "seed=0,1,2")
    runs = planned(*asked)
    for run, numerics in zip(runs[:2], (0, NUMERICS), strict=True):  # the third is missing
        finish(run, accuracy=0.5)
        run.folder.write("environment.json", {"numerics": numerics})
    launched: list[tuple[int, bool]] = []

    def launch(todo: Sequence[PlannedRun]) -> list[LaunchOutcome]:
        launched.extend((run.config["seed"], run.config["rerun"]) for run in todo)
        return [None] * len(todo)

    execute(runs, launch=launch)
    assert launched == [(0, True), (2, False)]
    assert "1 of 3 runs were finished already" in capsys.readouterr().out

    execute(planned("schedule=one_cycle", "seed=0,1,2"), launch=launch)
    assert launched[2:] == [(2, False)]
    printed = capsys.readouterr().out
    assert "1 stale: trained before the last step of one_cycle had its final learning" in printed
    assert "(rerun=stale trains them again)" in printed


def test_published_runs_are_skipped_if_asked(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = planned("experiment=quickstart", "skip_published=true", "seed=0,1")
    monkeypatch.setattr("fovea.sweep.execute.published_results", lambda _: {runs[1].id: None})
    launch, launched = launcher()
    execute(runs, launch=launch)
    assert launched == ["experiment=quickstart skip_published=True seed=0"]
    assert "1 are published (skip_published=true)" in capsys.readouterr().out


def test_rerun_launches_finished_runs(outputs: Path) -> None:
    runs = planned("seed=0,1", "rerun=true")
    finish(runs[0], accuracy=0.5)
    launch, launched = launcher()
    execute(runs, launch=launch)
    assert launched == ["seed=0 rerun=True", "seed=1 rerun=True"]
    assert runs[0].folder.metrics == {"test/accuracy": 0.9}


def test_a_failed_run_does_not_stop_the_others(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = planned("seed=0,1,2", "epochs=1")
    launch, launched = launcher(seed1=RuntimeError("out of [memory]\nat step 3"))
    with pytest.raises(SweepError, match=r"^1 of 3 runs failed$"):
        execute(runs, launch=launch)
    assert len(launched) == 3
    told = capsys.readouterr()
    assert "91.00 ± 1.41 % (n = 2)" in told.out
    failure = " ".join(told.err.split())
    assert runs[1].folder.id in failure
    assert "seed=1 epochs=1" in failure
    assert "RuntimeError: out of [memory]" in failure
    assert "at step 3" not in failure
    assert runs[0].folder.id not in failure


def test_a_run_on_several_devices_is_launched_alone(outputs: Path) -> None:
    runs = planned("trainer.devices=2,1", "seed=0,1")
    batches: list[list[str]] = []
    one_batch, _ = launcher()

    def launch(runs: Sequence[PlannedRun]) -> Sequence[LaunchOutcome]:
        batches.append([" ".join(run.overrides) for run in runs])
        return one_batch(runs)

    execute(runs, launch=launch)
    assert batches == [
        ["trainer.devices=1 seed=0", "trainer.devices=1 seed=1"],
        ["trainer.devices=2 seed=0"],
        ["trainer.devices=2 seed=1"],
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [(WorkerDiedError("worker died: exit code 3"), "failed"), (KeyboardInterrupt(), "interrupted")],
)
def test_the_record_of_a_killed_run_is_ended(
    outputs: Path, error: BaseException, status: str
) -> None:
    runs = planned("seed=0,1")

    def launch(_: Sequence[PlannedRun]) -> Sequence[LaunchOutcome]:
        finish(runs[0], accuracy=0.5)
        runs[1].folder.write("summary.json", {"status": "running", "seed": 1})
        if isinstance(error, KeyboardInterrupt):
            raise error
        assert isinstance(error, Exception)
        return [runs[0].folder.summary, error]

    with pytest.raises((SweepError, KeyboardInterrupt)):
        execute(runs, launch=launch)
    assert runs[0].folder.status == "finished"
    assert runs[1].folder.summary["status"] == status
    assert runs[1].folder.summary["seed"] == 1


def test_the_error_of_the_only_run_is_raised_as_it_is(outputs: Path) -> None:
    runs = planned("seed=1")
    launch, _ = launcher(seed1=DataError("no such folder"))
    with pytest.raises(DataError, match=r"^no such folder$"):
        execute(runs, launch=launch)


def test_a_report_has_a_row_per_cell_told_by_what_differs(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = planned("model=mlp,lenet5", "optimizer.lr=0.1,0.01", "seed=0,1", "epochs=1")
    for run, accuracy in zip(runs[:3], (0.8, 0.9, 0.7), strict=False):
        finish(run, accuracy)
    report(runs)
    lines = capsys.readouterr().out.splitlines()
    rows = [" ".join(line.split()) for line in lines if line.startswith("  model=")]
    assert rows == [
        "model=mlp optimizer.lr=0.1 85.00 ± 7.07 % (n = 2) 1.0",
        "model=mlp optimizer.lr=0.01 70.00 % (n = 1) 1.0",
        "model=lenet5 optimizer.lr=0.1 not run not run",
        "model=lenet5 optimizer.lr=0.01 not run not run",
    ]
    assert not (outputs / "tables").exists()


def test_the_report_of_an_experiment_is_written(
    outputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unpublished = tmp_path / "experiments" / "quickstart"
    unpublished.mkdir(parents=True)
    for name in ("sweep.yaml", "table.yaml"):
        shutil.copy(paths.experiments()[-1] / "quickstart" / name, unpublished)
    monkeypatch.chdir(tmp_path)
    runs = plan_experiment("quickstart")
    for run in runs[:3]:
        finish(run, accuracy=0.9 + run.config["seed"] / 100)
    report(runs)
    files = outputs / "tables" / "quickstart.{md,tex,html,csv,json,png,svg,pdf}"
    assert capsys.readouterr().out.splitlines()[-1] == str(files)
    markdown, comma_separated = (files.with_suffix(kind).read_text() for kind in (".md", ".csv"))
    ids = " ".join(f"`{run.folder.id}`" for run in runs[:3])
    assert "| MLP | 91.00 ± 1.00 %" in markdown
    assert f"| not measured | not measured | 1.0 | {ids} |" in markdown
    assert "| LeNet-5 | not run | not run | not run | not run |  |" in markdown
    rows = list(csv.DictReader(comma_separated.splitlines()))
    assert [row["network"] for row in rows] == ["MLP", "LeNet-5", "ResNet-20"]
    assert float(rows[0]["test/accuracy mean"]) == pytest.approx(0.91, abs=1e-15)
    assert rows[1]["test/accuracy n"] == "0"


def test_a_changed_grid_is_told_by_what_it_sweeps_and_not_written(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(plan_experiment("quickstart"), changed=True)
    printed = capsys.readouterr().out
    assert "model=lenet5" in printed
    assert "LeNet-5" not in printed
    assert not (outputs / "tables").exists()


def test_a_damaged_record_is_named_and_its_run_done_again(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = planned("seed=0,1")
    for run in runs:
        finish(run, accuracy=0.5)
    (runs[1].folder.path / "summary.json").write_text('{"status": "fin')
    report(runs)
    told = capsys.readouterr()
    file = runs[1].folder.path / "summary.json"
    assert told.err == f"{file}:1: not JSON (unterminated string); counted as not run\n"
    assert "50.00 % (n = 1)" in told.out

    launch, launched = launcher()
    execute(runs, launch=launch)
    assert launched == ["seed=1"]
    assert runs[1].folder.metrics == {"test/accuracy": 0.91}


def test_outputs_that_are_not_locked_are_refused(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_writable(outputs)
    granted = "import sys"  # as where every lock is granted
    monkeypatch.setattr("fovea.records.lock._LOCK", granted)
    with pytest.raises(ConfigError, match="its file system does not lock files"):
        require_writable(outputs)
