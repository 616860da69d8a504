"""The table of an experiment: from records, from published results, and from both."""

from __future__ import annotations

from pathlib import Path

import pytest

from fovea.config.compose import compose_sweep, config_loader
from fovea.config.errors import ConfigError
from fovea.sweep.plan import PlannedRun, changes_cells, plan, plan_command, plan_experiment
from fovea.sweep.publication import publish_experiment
from fovea.sweep.telling import definition_of, report

SWEEP = """
defaults: [override /data: digits]
epochs: 3
hydra:
  sweeper:
    params: {seed: "0,1"}
    arms:
      slow: {optimizer.lr: "0.001,0.003"}
      fast: {optimizer.lr: 0.1}
"""
TABLE = """
title: Slow and fast
rows: {key: arm, label: arm, labels: {slow: Slow}}
choose: {key: optimizer.lr, by: best(val/accuracy), better: higher, label: lr}
baseline: fast
columns:
  - {metric: test/accuracy, label: accuracy, format: percent, better: higher}
  - {metric: epochs_to(train/accuracy >= 0.75), label: epochs, digits: 1, better: lower,
     ratio: true}
references:
  - {row: slow, column: test/accuracy, value: 0.9, source: "A paper, Table 1", evidence: P}
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Path) -> Path:
    """An experiment of two arms, one with a grid of learning rates; nothing is trained."""
    folder = tmp_path / "experiments" / "arms"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(SWEEP)
    (folder / "table.yaml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return folder


def finish(run: PlannedRun, accuracy: float, reached: int | None = None) -> None:
    """Leave the record of a run of three epochs that got to 75 % in the epoch ``reached``."""
    run.folder.write_history(
        [
            {
                "epoch": epoch,
                "step": 10 * (epoch + 1),
                "val/accuracy": accuracy,
                "train/accuracy": 0.8 if reached is not None and epoch + 1 >= reached else 0.5,
            }
            for epoch in range(3)
        ]
    )
    summary = {"status": "finished", "seconds": 10.0, "epochs": 3}
    run.folder.write("summary.json", summary | {"metrics": {"test/accuracy": accuracy}})


def finish_all(runs: list[PlannedRun]) -> None:
    """Slow runs are better with the larger rate, and get there; fast ones do at once."""
    for run in runs:
        rate, seed = run.config["optimizer"]["lr"], run.config["seed"]
        accuracy = {0.001: 0.7, 0.003: 0.9, 0.1: 0.6}[rate] + seed / 100
        finish(run, accuracy, reached=1 if rate == 0.1 else 2 + seed)


def test_an_experiment_is_told_from_its_records(
    experiment: Path, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = plan_experiment("arms")
    finish_all(runs)
    table = report(runs)
    slow, fast = table.rows
    assert (slow.label, slow.chosen, fast.chosen) == ("Slow", "0.003", "0.1")
    assert slow.entries[0].measurement is not None
    assert slow.entries[0].measurement.mean == pytest.approx(0.905)
    assert slow.entries[1].ratio is not None
    assert slow.entries[1].ratio.value == pytest.approx(6**0.5)
    assert [verdict.kind for _, verdict in slow.entries[0].published] == ["consistent"]
    printed = capsys.readouterr().out
    assert "lr chosen of 0.001, 0.003 by best(val/accuracy), seeds 0, 1" in printed
    assert {file.suffix for file in (outputs / "tables").iterdir()} == {
        f".{kind}" for kind in ("md", "tex", "html", "csv", "json", "png", "svg", "pdf")
    }


def test_a_fresh_clone_shows_the_published_table(
    experiment: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = plan_experiment("arms")
    finish_all(runs)
    told, _ = publish_experiment(runs)
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path / "elsewhere"))
    fresh = report(plan_experiment("arms"))
    assert fresh.rows == told.rows
    assert fresh.marks == told.marks
    assert not any(result.recorded for result in fresh.results.values())
    assert "<a " not in (tmp_path / "elsewhere" / "tables" / "arms.html").read_text()


def test_a_record_wins_over_a_published_row(experiment: Path) -> None:
    runs = plan_experiment("arms")
    finish_all(runs)
    publish_experiment(runs)
    finish(runs[-1], accuracy=0.5, reached=2)
    table = report(runs)
    readings = table.rows[1].entries[0].readings
    assert [each.value for each in readings.values()] == [0.6, 0.5]


def test_a_run_that_never_got_there_is_not_left_out(experiment: Path, outputs: Path) -> None:
    runs = plan_experiment("arms")
    finish_all(runs)
    finish(runs[-1], accuracy=0.6, reached=None)
    report(runs)
    assert "| 1.0, \\> 3.0 (n = 2) |" in (outputs / "tables" / "arms.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("key: arm,", "key: amr,", "arms/table.yaml: no run has the key 'amr'; did you mean 'arm'"),
        (
            "key: optimizer.lr,",
            "key: optimizer.lrr,",
            "arms/table.yaml: no run has the key 'optimizer.lrr'; did you mean 'optimizer'",
        ),
    ],
)
def test_a_key_that_no_run_has_is_told(experiment: Path, old: str, new: str, reason: str) -> None:
    (experiment / "table.yaml").write_text(TABLE.replace(old, new))
    with pytest.raises(ConfigError) as refusal:
        definition_of(plan_experiment("arms"))
    assert str(refusal.value).startswith(reason)


def test_runs_are_paired_by_a_key_of_their_config(experiment: Path) -> None:
    table = experiment / "table.yaml"
    table.write_text(TABLE + "pair: seed\n")
    runs = plan_experiment("arms")
    finish_all(runs)
    comparison = report(runs).rows[0].entries[0].comparison
    assert comparison is not None
    assert (comparison.paired, comparison.n) == (True, 2)
    table.write_text(TABLE + "pair: sead\n")
    with pytest.raises(ConfigError, match="no run has the key 'sead'; did you mean 'seed'"):
        report(runs)
    table.write_text(TABLE + "pair: data.split_seed\n")
    with pytest.raises(ConfigError, match=r"2 runs of 'slow 0\.001' have data\.split_seed = "):
        report(runs)


@pytest.mark.parametrize("name", ["quickstart", "relu_vs_tanh", "pinecone_cifar10"])
def test_the_command_that_adds_seeds_plans_the_runs_there_are_and_more(name: str) -> None:
    """As notes print it; arms with seeds of their own get them too."""
    planned = {run.folder.id for run in plan_experiment(name)}
    with config_loader() as loader:
        arguments = [f"experiment={name}", "seed=0,1,2,3,4"]
        master = compose_sweep(loader, arguments)
        params = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
        more = plan(loader, master, [*params, *arguments], master.hydra.sweeper.arms)
    seeds: dict[tuple[str, ...], list[int]] = {}
    for run in more:
        seeds.setdefault(run.cell, []).append(run.config["seed"])
    assert all(of_cell == [0, 1, 2, 3, 4] for of_cell in seeds.values())
    assert planned < {run.folder.id for run in more}


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["experiment=quickstart", "seed=0,1,2,3,4"], False),
        (["experiment=quickstart", "rerun=true"], False),
        (["experiment=quickstart", "seed=0", "epochs=1"], True),
        (["experiment=quickstart", "data.split_seed=1"], True),
        (["experiment=quickstart", "data.workers=0", "probe=train"], False),
    ],
)
def test_other_seeds_leave_the_experiments_table(arguments: list[str], changes: bool) -> None:
    assert changes_cells(arguments, plan_command(arguments)) == changes


def test_a_changed_grid_knows_no_baseline(experiment: Path, outputs: Path) -> None:
    runs = plan_experiment("arms")
    finish_all(runs)
    table = report(runs, changed=True)
    assert [row.label for row in table.rows] == [
        "arm=slow optimizer.lr=0.001",
        "arm=slow optimizer.lr=0.003",
        "arm=fast optimizer.lr=0.1",
    ]
    assert table.baseline is None
    assert not (outputs / "tables").exists()
