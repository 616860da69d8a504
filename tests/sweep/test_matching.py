"""Planned runs are found by config: records and published rows of earlier ids, changed defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fovea.config import paths
from fovea.config.errors import RecordError
from fovea.config.identity import ID_VERSION, run_id
from fovea.records import RunFolder
from fovea.sweep.matching import outdated_results, published_results
from fovea.sweep.plan import PlannedRun, plan_command, plan_experiment
from fovea.sweep.publication import publish_experiment
from fovea.sweep.state import States
from fovea.sweep.telling import table_of
from fovea.tables.configs import CONFIGS, read_configs
from fovea.tables.results import published

TABLE = "rows: {key: model}\ncolumns: [{metric: test/accuracy, label: accuracy, format: percent}]\n"


def finish(run: PlannedRun, accuracy: float, folder: RunFolder | None = None) -> RunFolder:
    """Leave a finished record; in another folder, one of an earlier version of fovea."""
    written = folder or run.folder
    written.write("config.yaml", run.config)
    summary = {"status": "finished", "choices": run.choices, "metrics": {"test/accuracy": accuracy}}
    if folder is None:
        summary["scientific"] = run.scientific
    written.write("summary.json", summary)
    return written


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Path) -> Path:
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(
        "epochs: 3\nhydra: {sweeper: {params: {model: 'mlp,lenet5', seed: '0,1'}}}\n"
    )
    (folder / "table.yaml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return folder


def test_every_published_row_is_found_by_its_config() -> None:
    """91 rows of 85 runs, all published under an earlier rule of ids."""
    rows: dict[str, int] = {}
    for name in paths.experiment_names():
        found = published_results(plan_experiment(name))
        assert [each.id for each in found.values()] == list(published(name))
        rows.update({each.id: rows.get(each.id, 0) + 1 for each in found.values()})
    assert (sum(rows.values()), len(rows)) == (91, 85)


@pytest.mark.parametrize("name", paths.experiment_names())
def test_a_stored_config_is_the_one_its_id_names(name: str) -> None:
    folder = paths.experiment(name)
    assert folder is not None
    for each in read_configs(folder).values():
        assert each.id_version < ID_VERSION or run_id(each.config) == each.id


def test_a_record_of_an_earlier_id_is_found_by_its_config(outputs: Path) -> None:
    (run,) = plan_command(["seed=3"])
    old = finish(run, 0.5, RunFolder(outputs / "runs" / "0123456789ab"))
    (again,) = plan_command(["seed=3"])
    assert again.folder == old
    assert again.id == run.id
    assert States([again]).of(again).finished
    assert plan_command(["seed=4"])[0].folder.id != old.id


def test_a_damaged_record_of_an_earlier_id_is_stepped_over(outputs: Path) -> None:
    (run,) = plan_command(["seed=3"])
    old = finish(run, 0.5, RunFolder(outputs / "runs" / "0123456789ab"))
    (old.path / "config.yaml").write_text("]")
    assert plan_command(["seed=3"])[0].folder.id == run.id


def test_a_changed_default_is_reported_and_loses_no_row(experiment: Path) -> None:
    runs = plan_experiment("mine")
    for run, accuracy in zip(runs, (0.5, 0.6, 0.7, 0.8), strict=True):
        finish(run, accuracy)
    publish_experiment(runs)
    sweep = experiment / "sweep.yaml"
    sweep.write_text(sweep.read_text().replace("epochs: 3", "epochs: 4\noptimizer: {lr: 0.002}"))
    changed = plan_experiment("mine")
    assert {run.id for run in changed}.isdisjoint(run.id for run in runs)
    assert published_results(changed) == {}
    found = outdated_results(changed, {})
    assert [each.id for each in found.values()] == [run.id for run in runs]
    assert found[changed[0].id].outdated == (
        "published with epochs=3, now 4",
        "published with optimizer.lr=0.001, now 0.002",
    )
    table = table_of(changed)
    assert "mlp, lenet5: published with optimizer.lr=0.001, now 0.002" in table.notes
    assert [row.entries[0].runs for row in table.rows] == [
        tuple(run.id for run in runs[:2]),
        tuple(run.id for run in runs[2:]),
    ]
    publish_experiment(changed)
    assert list(published("mine")) == [run.id for run in runs]
    assert read_configs(experiment)[runs[0].id].config["epochs"] == 3


def test_runs_of_another_config_are_not_averaged_with_outdated_ones(experiment: Path) -> None:
    runs = plan_experiment("mine")
    for run in runs:
        finish(run, 0.5)
    publish_experiment(runs)
    sweep = experiment / "sweep.yaml"
    sweep.write_text(sweep.read_text().replace("epochs: 3", "epochs: 4"))
    changed = plan_experiment("mine")
    finish(changed[0], 0.9)
    entries = [row.entries[0] for row in table_of(changed).rows]
    assert [entry.runs for entry in entries] == [
        (changed[0].id,),
        tuple(run.id for run in runs[2:]),
    ]
    assert list(entries[0].values.values()) == [0.9]


def test_a_new_row_has_the_id_of_today(experiment: Path) -> None:
    runs = plan_experiment("mine")
    finish(runs[0], 0.5)
    publish_experiment(runs)
    (line,) = (experiment / CONFIGS).read_text().splitlines()
    assert json.loads(line) == {
        "id": runs[0].id,
        "id_version": ID_VERSION,
        "config": runs[0].scientific,
    }


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"id": "a"}', '{"id": 1, "id_version": 2, "config": {}}', "[" * 5000]
)
def test_damaged_configs_are_one_line(experiment: Path, line: str) -> None:
    runs = plan_experiment("mine")
    finish(runs[0], 0.5)
    publish_experiment(runs)
    with (experiment / CONFIGS).open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(RecordError, match=r"configs\.jsonl:2: .*; restore it") as refusal:
        published_results(runs)
    assert "\n" not in str(refusal.value)
