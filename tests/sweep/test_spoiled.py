"""Spoiled records: each file spoiled in each way is named and stepped over, and made again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fovea.cli import main
from fovea.config.code import code_of
from fovea.records import RunFolder, all_runs, run_folder
from fovea.sweep.plan import PlannedRun, plan_experiment

Spoil = Callable[[RunFolder], None]
EXPERIMENT = "architecture_table"  # of twenty runs
FILES = ("config.yaml", "data.json", "environment.json", "history.csv")
WRONG = {  # a field of a wrong type, and what is said of it
    "summary.json": (
        '{"status": "finished", "metrics": [1]}',
        "metrics: should be a valid dictionary",
    ),
    "config.yaml": ("seed: many", "seed: should be a valid integer"),
    "data.json": ('{"notes": 3}', "notes: should be a valid list"),
    "environment.json": (
        '{"resolved": {"precision": 8}}',
        "resolved.precision: should be '32', '64', '16-mixed' or 'bf16-mixed'",
    ),
    "history.csv": ("epoch,train/loss\n0,low\n", "damaged (line 2: train/loss is no number)"),
}
SMALL = (
    "model.hidden_sizes=[8]",
    "trainer.limit_batches=2",
    "trainer.accelerator=cpu",
    "tracking=csv",
    "launcher=inline",
)


def fovea(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def seal(run: RunFolder) -> None:
    """Have a summary state the sizes of the files as they are."""
    file = run.path / "summary.json"
    summary = json.loads(file.read_text())
    file.write_text(json.dumps(summary | {"files": run.sizes(FILES)}))


def replaced(name: str, content: bytes) -> Spoil:
    def spoil(run: RunFolder) -> None:
        (run.path / name).write_bytes(content)
        if name != "summary.json":
            seal(run)

    return spoil


def cut(name: str) -> Spoil:
    def spoil(run: RunFolder) -> None:
        file = run.path / name
        file.write_bytes(file.read_bytes()[:-9])

    return spoil


def missing(name: str) -> Spoil:
    return lambda run: (run.path / name).unlink()


def ways(name: str) -> list[tuple[Spoil, str]]:
    """Return how a file is spoiled, and a pattern of what is said of it."""
    wrong, said = WRONG[name]
    torn = ":[0-9]+: not JSON" if name == "summary.json" else ": [0-9,]+ bytes of [0-9,]+"
    return [
        (replaced(name, b"\xff\x00" * 50), f"{re.escape(name)}:1: byte 0xff is not UTF-8"),
        (replaced(name, wrong.encode()), re.escape(f"{name}: {said}")),
        (cut(name), f"{re.escape(name)}{torn}"),
        (missing(name), f"{re.escape(name)}: missing"),
    ]


CASES = [case for name in WRONG for case in ways(name)]


def record(run: PlannedRun) -> RunFolder:
    """Leave a record such as a training leaves."""
    folder = run.folder
    folder.write("config.yaml", run.config)
    folder.write("data.json", {"fingerprint": "f" * 64, "classes": ["a", "b"]})
    folder.write("environment.json", {"code": code_of(run.config), "threads": 2})
    folder.write_history([{"epoch": float(epoch), "train/loss": 0.5} for epoch in range(3)])
    summary = {"id": folder.id, "status": "finished", "choices": run.choices, "epochs": 3}
    metrics = {"test/accuracy": 0.9}
    folder.write("summary.json", summary | {"metrics": metrics, "seconds": 1.0})
    seal(folder)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_each_file_spoiled_in_each_way_is_named_and_stepped_over(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = plan_experiment(EXPERIMENT)
    assert len(runs) == len(CASES)
    for run, (spoil, said) in zip(runs, CASES, strict=True):
        folder = record(run)
        assert folder.damage == ""
        spoil(folder)
        assert re.match(rf"{re.escape(str(folder.path))}/{said}", folder.damage)
        assert "\n" not in folder.damage
    before = content(outputs / "runs")

    assert fovea("runs", "--json") == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    listed = {row["id"]: row for row in rows}
    assert {row["status"] for row in rows} == {"damaged"}
    assert {name: row["error"] for name, row in listed.items()} == {
        run.folder.id: run.folder.damage for run in runs
    }

    assert fovea("status", EXPERIMENT) == 0
    printed = capsys.readouterr().out
    assert "20 runs: 20 damaged" in printed

    assert fovea("table", EXPERIMENT) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{run.folder.damage}; counted as not run" for run in runs
    ]

    assert fovea("report", EXPERIMENT) == 0
    page = (outputs / "reports" / f"{EXPERIMENT}.html").read_text()
    assert page.count(">damaged<") >= len(runs)
    assert fovea("report", "--all") == 0
    assert content(outputs / "runs") == before


def without_state(run: RunFolder) -> None:
    """Leave a record that a killed training left, with a checkpoint of no weights."""
    interrupted(run)
    torch.save({"fovea": {}}, run.checkpoints / "last.ckpt")


def interrupted(run: RunFolder) -> None:
    run.write("summary.json", run.summary | {"status": "interrupted"})


def without_best(run: RunFolder) -> None:
    interrupted(run)
    (run.checkpoints / "best.ckpt").unlink()


def torn_progress(run: RunFolder) -> None:
    interrupted(run)
    file = run.checkpoints / "last.ckpt"
    saved = torch.load(file, weights_only=True)
    torch.save(saved | {"fovea": saved["fovea"] | {"history": "none"}}, file)


def test_spoiled_records_are_made_again(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoils = [
        *(ways(name)[index % 4][0] for index, name in enumerate(WRONG)),
        *(without_state, without_best, torn_progress),
    ]
    seeds = ",".join(map(str, range(len(spoils))))
    command = ("train", "epochs=2", f"seed={seeds}", *SMALL)
    assert fovea(*command) == 0
    runs = all_runs(outputs)
    undisturbed = {run.id: run.metrics for run in runs}
    for run, spoil in zip(runs, spoils, strict=True):
        spoil(run)
    noted = runs[1:]
    for run in noted:  # beside a spoiled summary nothing says whose folder it is: that is refused
        (run.path / "notes.txt").write_text(run.id)
    before = content(outputs / "runs")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # nothing is lost before the new record is finished
        patched.setattr("fovea.training.train.train", killed)
        assert fovea(*command) == 130
    left = content(outputs / "runs")
    assert before.items() <= left.items()

    capsys.readouterr()
    assert fovea(*command) == 0
    assert {run.id: run.metrics for run in all_runs(outputs)} == undisturbed
    assert [run.damage for run in runs] == [""] * len(runs)
    assert [(run.path / "notes.txt").read_text() for run in noted] == [run.id for run in noted]
    assert content(outputs / "runs" / ".rerun") == {}


def test_a_checkpoint_that_is_none_is_named(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fovea("train", "epochs=1", *SMALL) == 0
    (run,) = all_runs(outputs)
    file = run.checkpoints / f"{run.summary['selected']}.ckpt"
    remedy = "train it again with rerun=true"
    other = {"state_dict": {"model.other": torch.zeros(1)}}
    for saved, said in (
        ({"fovea": {}}, f"{file}: damaged (state_dict: no value); {remedy}"),
        ([1], f"{file}: damaged (should be a valid dictionary or instance of Checkpoint)"),
        (other, "the recorded weights do not fit the network"),
    ):
        torch.save(saved, file)
        capsys.readouterr()
        assert fovea("test", run.id) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"fovea: {said}")
        assert error.count("\n") == 1
    assert run_folder(outputs, run.id).status == "finished"
