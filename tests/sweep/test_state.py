"""What a plan is told of its runs: states, what is redone, what the rest costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.config import numerics
from fovea.config.code import changed_modules, code_of
from fovea.config.compose import compose_run, compose_sweep, config_loader
from fovea.records import RunFolder
from fovea.sweep.overview import print_overview
from fovea.sweep.plan import PlannedRun, plan, plan_experiment, swept_keys
from fovea.sweep.state import Costs, States
from fovea.tables.results import published


@pytest.fixture
def run(outputs: Path) -> PlannedRun:
    return planned("model=resnet", "seed=0", "epochs=10")[0]


def planned(*overrides: str) -> list[PlannedRun]:
    with config_loader() as loader:
        return plan(loader, compose_sweep(loader, []), overrides)


def record(run: PlannedRun, status: str = "finished", epochs: int = 0, **summary: Any) -> None:
    """Leave a record such as a training leaves, of the code as it is."""
    folder = run.folder
    folder.write("config.yaml", run.config)
    folder.write("data.json", {"fingerprint": "f" * 64})
    environment = {"code": code_of(run.config), "numerics": numerics.NUMERICS}
    folder.write("environment.json", environment)
    folder.write_history([{"epoch": float(epoch)} for epoch in range(epochs)])
    files = folder.sizes(["config.yaml", "data.json", "environment.json", "history.csv"])
    folder.write(
        "summary.json", {"status": status, "choices": run.choices, "files": files, **summary}
    )


def state(run: PlannedRun) -> tuple[str, str, bool]:
    found = States([run]).of(run)
    return found.kind, found.note, found.redo


def test_a_run_without_a_record_is_missing(run: PlannedRun) -> None:
    assert state(run) == ("missing", "", True)


def test_a_finished_run_is_done(run: PlannedRun) -> None:
    record(run, seconds=3.0, epochs=10)
    assert state(run) == ("done", "", False)
    assert States([run]).todo == []


def test_a_failed_run_is_told_with_its_error_and_tried_again(run: PlannedRun) -> None:
    record(run, "failed", error="RuntimeError: out of memory")
    assert state(run) == ("failed", "RuntimeError: out of memory", True)


@pytest.mark.parametrize("status", ["interrupted", "running"])
def test_a_run_that_nobody_trains_is_interrupted(run: PlannedRun, status: str) -> None:
    record(run, status, epochs=4)
    assert state(run) == ("interrupted", "after 4 of 10 epochs", True)


def test_a_run_that_is_being_trained_is_left_alone(run: PlannedRun) -> None:
    record(run, "running", epochs=4)
    with run.folder.lock() as free:
        assert free
        assert state(run) == ("running", "after 4 of 10 epochs", False)


def test_a_run_of_other_code_that_gives_the_same_numbers_is_done(run: PlannedRun) -> None:
    record(run)
    environment = run.folder.read("environment.json")
    environment["code"]["fovea.models.resnet"] = "000000000000"
    run.folder.write("environment.json", environment)
    reseal(run.folder)
    assert state(run) == ("done", "", False)


def test_a_run_whose_numbers_have_changed_since_is_stale_and_stands(
    run: PlannedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(run)
    for affects, what in ((True, "resnets were right"), (False, "others were")):
        change = numerics.Change(what, lambda _, affects=affects: affects)
        monkeypatch.setattr(numerics, "CHANGES", (*numerics.CHANGES, change))
    note = f"trained before resnets were right (numerics {numerics.NUMERICS + 1})"
    assert state(run) == ("stale", note, False)


def reseal(folder: RunFolder) -> None:
    summary = folder.summary
    folder.write("summary.json", summary | {"files": folder.sizes(summary["files"])})


def cut(name: str) -> Callable[[RunFolder], None]:
    def spoil(folder: RunFolder) -> None:
        file = folder.path / name
        file.write_bytes(file.read_bytes()[:-7])

    return spoil


def remove(name: str) -> Callable[[RunFolder], None]:
    return lambda folder: (folder.path / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (cut("summary.json"), "summary.json:19: not JSON (expecting ',' delimiter)"),
        (cut("config.yaml"), "config.yaml: 2 bytes of 9"),
        (cut("history.csv"), "history.csv: 2 bytes of 9"),
        (remove("environment.json"), "environment.json: missing"),
    ],
)
def test_a_damaged_record_is_never_counted(
    run: PlannedRun, spoil: Callable[[RunFolder], None], note: str
) -> None:
    record(run, epochs=10)
    spoil(run.folder)
    kind, found, redo = state(run)
    shape = r"[\d,]+ bytes of [\d,]+"
    assert re.sub(shape, "", found) == re.sub(shape, "", f"{note}; trained again")
    assert (kind, redo) == ("damaged", True)


def test_costs_are_those_of_runs_that_do_the_same_work(outputs: Path) -> None:
    runs = planned("model=mlp,lenet5", "optimizer.lr=0.1,0.2", "seed=0,1", "epochs=10")
    record(runs[0], epochs=10, seconds=40.0)
    runs[0].folder.write("summary.json", runs[0].folder.summary | {"epochs": 10})
    costs = Costs([run.folder for run in runs])
    assert [costs.seconds(run) for run in runs] == [40.0] * 4 + [None] * 4
    assert costs.seconds(runs[1], epochs=4) == pytest.approx(24.0)
    assert costs.seconds(runs[1], epochs=12) == 0.0


def test_a_run_tells_what_its_own_epochs_take(outputs: Path) -> None:
    (run,) = planned("seed=0", "epochs=10")
    record(run, "interrupted")
    run.folder.write_history([{"epoch": 0.0, "seconds": 2.0}, {"epoch": 1.0, "seconds": 4.0}])
    assert Costs([run.folder]).seconds(run, epochs=2) == pytest.approx(24.0)
    assert States([run]).of(run).seconds == 6.0  # until its summary says


def test_a_run_is_expected_to_stop_where_other_seeds_did(outputs: Path) -> None:
    runs = planned("model=mlp", "optimizer.lr=0.1,0.2", "seed=0,1,2", "epochs=10")
    for run, epochs in zip(runs[:2], (3, 4), strict=True):
        record(run, epochs=epochs, seconds=4.0 * epochs)
        run.folder.write("summary.json", run.folder.summary | {"epochs": epochs})
    costs = Costs([run.folder for run in runs])
    assert [costs.seconds(run) for run in runs] == [pytest.approx(14.0)] * 3 + [40.0] * 3
    assert costs.seconds(runs[2], epochs=3) == pytest.approx(2.0)


def test_what_is_published_tells_how_long_its_runs_take(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = plan_experiment("relu_vs_tanh")  # stops at a training accuracy, long before its epochs
    seconds = sum(result.values["seconds"].value for result in published("relu_vs_tanh").values())
    print_overview(runs)
    totals = capsys.readouterr().out.splitlines()[-1]
    assert f"about {seconds / 3600:.1f} h of training left" in totals


def test_cells_of_arms_are_told_by_their_arm_and_what_differs_in_it() -> None:
    cells = [
        ("arm=a", "optimizer=sgd", "optimizer.lr=0.1", "epochs=1"),
        ("arm=a", "optimizer=sgd", "optimizer.lr=0.2", "epochs=1"),
        ("arm=b", "optimizer=adam", "model=mlp", "epochs=1"),
    ]
    assert swept_keys(cells) == ["arm", "optimizer.lr"]
    assert swept_keys([cell[1:] for cell in cells]) == ["optimizer", "optimizer.lr"]


def test_the_overview_lists_every_run(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = planned("model=mlp,lenet5", "seed=0,1", "epochs=10", "launcher=inline")
    record(runs[0], epochs=10, seconds=40.0)
    runs[0].folder.write("summary.json", runs[0].folder.summary | {"epochs": 10})
    record(runs[1], "interrupted", epochs=5, seconds=21.0)
    record(runs[2], "failed", error="DataError: no [such] folder", seconds=1.0)
    print_overview(runs)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    ids = [run.folder.id for run in runs]
    assert f"mlp 0 {ids[0]} done 40 s –" in lines
    assert f"mlp 1 {ids[1]} interrupted after 5 of 10 epochs 21 s 20 s" in lines
    assert f"lenet5 0 {ids[2]} failed DataError: no [such] folder 1 s ?" in lines
    assert f"lenet5 1 {ids[3]} missing – ?" in lines
    assert "data not checked: train compares the data of finished runs with the data now" in lines
    assert lines[-1] == (
        "4 runs: 1 done, 1 interrupted, 1 failed, 1 missing; 62 s spent, "
        "about 20 s of training left, and 2 runs of unknown cost"
    )


def test_the_code_of_a_run_is_what_it_imports(tmp_path: Path) -> None:
    code = code_of(compose_run(["model=resnet", "augment=flip_crop"]))
    used = ("models.resnet", "augment.flip_crop", "problems.base", "data.image.loaders")
    assert {f"fovea.{name}" for name in used} <= code.keys()
    unused = (
        "models.vgg",
        "augment.geometric",
        "tables.table",
        "records",
        "training.tracking.trackers",
    )
    assert not {f"fovea.{name}" for name in unused} & code.keys()
    other = code_of(compose_run(["model=vgg", "augment=flip_crop"]))
    assert {"fovea.models.resnet", "fovea.models.vgg"} <= set(changed_modules(code, other))
    assert "fovea.problems.base" not in changed_modules(code, other)


def test_a_run_that_is_published_and_not_here_is_told_so(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_overview(plan_experiment("quickstart"))
    *rows, totals = capsys.readouterr().out.splitlines()
    assert sum("missing" in row and "published" in row for row in rows) == 9
    assert totals.startswith("9 runs: 9 missing; 0 s spent, about ")  # by what is published
    assert "unknown" not in totals
