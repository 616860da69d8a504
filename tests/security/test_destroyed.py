"""Nothing is destroyed: what lies beside and behind what fovea writes and deletes survives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fovea.cli import main
from fovea.config.errors import DataError, RecordError
from fovea.data.sources.digits import Digits
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder, all_runs, find_run, replace_by_rerun, run_folder
from fovea.records.deleting import delete_record
from fovea.sweep.plan import plan_command

ID = "0123456789ab"
SMALL = (
    "epochs=2",
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


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line by which a command is refused."""
    assert fovea(*arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("fovea: ")
    assert printed.count("\n") == 1
    assert len(printed) <= 300 + len("fovea: \n")
    return printed.removeprefix("fovea: ").strip()


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder; links are not followed."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def record(outputs: Path, name: str) -> RunFolder:
    run = run_folder(outputs, name)
    run.write("summary.json", {"id": name, "status": "finished", "metrics": {}})
    run.checkpoints.mkdir()
    (run.checkpoints / "last.ckpt").write_bytes(b"weights")
    return run


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder of the user's, with files by the names that fovea writes."""
    folder = tmp_path / "mine"
    for name in ("thesis.txt", "last.ckpt", "train.log", "summary.json"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("the only copy")
    return folder


# What the command line and files may set of Hydra's own.


@pytest.mark.parametrize(
    "override",
    [
        "hydra.sweep.subdir=.",
        "hydra.sweep.dir=/",
        "++hydra.run.dir=.",
        "+hydra.run={dir: .}",
        "~hydra.sweep",
        "hydra={sweep: {dir: .}}",
        "hydra/launcher=basic",
        "hydra/launcher=joblib",
        "hydra/sweeper=optuna",
        "+hydra/output@hydra.sweep=default",
        "+data@hydra.run=digits",
        "hydra.callbacks={x: {_target_: subprocess.Popen}}",
        "hydra.sweeper._target_=subprocess.Popen",
        "hydra.mode=RUN",
        "hydra.job.chdir=true",
    ],
)
def test_what_is_hydras_own_cannot_be_overridden(
    override: str, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        record(outputs, f"{number:012x}")
    before = content(outputs)
    for more in ([], ["--dry-run"], ["--cfg", "job"]):
        assert re.match(r"(~|\+\+?)?hydra\b", refused(capsys, "train", override, *SMALL, *more))
    assert content(outputs) == before


@pytest.mark.parametrize(
    "text",
    [
        "hydra: {sweep: {subdir: .}}",
        "hydra: {run: {dir: .}}",
        "hydra: {callbacks: {x: {_target_: canary.Callback}}}",
        "hydra: {launcher: {_target_: canary.Launcher}}",
        "hydra: {sweeper: {_target_: canary.Sweeper}}",
        "launcher: {_target_: canary.Launcher}",
    ],
)
def test_no_config_file_sets_it_or_has_something_built(
    text: str,
    outputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = tmp_path / "groups" / "extra"
    group.mkdir(parents=True)
    (group / "theirs.yaml").write_text(f"# @package _global_\n{text}\n")
    here = tmp_path / "here"
    here.mkdir()
    (here / "canary.py").write_text(
        "from pathlib import Path\nPath('appeared').touch()\n"
        "class Launcher:\n    def __init__(self, workers, threads): pass\n"
        "    def environments(self, *_): return []\n"
    )
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(here)
    for look in (["--dry-run"], []):
        command = ["train", "+extra=theirs", f"--config-dir={group.parent}", *look]
        if text.startswith("launcher") and look:
            assert fovea(*command) == 0  # shown, and not built
        else:
            assert refused(capsys, *command).startswith(("hydra.", "launcher."))
    assert not (here / "appeared").exists()
    assert not outputs.exists()


@pytest.mark.parametrize("name", ["../../x", "/abs/x", "a/b", "..", "a\nb", "a\x1b[31mb"])
def test_an_experiment_is_named_and_no_path(
    name: str, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("status", "table", "report"):
        assert "not a name; an experiment is the folder" in refused(capsys, command, name)
    if name.isprintable():
        assert "not a name; an experiment is" in refused(capsys, "train", f"experiment={name}")
    assert not outputs.exists()


# Links.


@pytest.mark.parametrize("entry", ["checkpoints", "csv", "wandb", "predictions", "train.log", ""])
def test_nothing_is_written_or_deleted_through_a_link(
    entry: str, outputs: Path, canary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planned,) = plan_command(SMALL)
    run = planned.folder
    if entry:
        run.write("summary.json", {"id": run.id, "status": "interrupted"})
        target = canary / entry if entry == "train.log" else canary
        (run.path / entry).symlink_to(target)
    else:
        run.path.parent.mkdir(parents=True)
        run.path.symlink_to(canary)
    before = content(canary), content(run.path)
    for more in ([], ["rerun=true"]):
        told = refused(capsys, "train", *SMALL, *more)
        assert told == (
            f"{run.path / entry}: a symbolic link, through which fovea neither writes nor deletes; "
            "remove it"
        )
    assert (content(canary), content(run.path)) == before
    with pytest.raises(RecordError, match="a symbolic link"):
        run.discard(entry or "checkpoints") if entry else replace_by_rerun(run)
    assert content(canary) == before[0]


@pytest.mark.parametrize("name", ["locks folder", "lock"])
def test_a_lock_that_is_a_link_is_refused(
    name: str, outputs: Path, canary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planned,) = plan_command(SMALL)
    planned.folder.write("summary.json", {"id": planned.folder.id, "status": "running"})
    locks = outputs / "runs" / ".locks"
    if name == "lock":
        locks.mkdir()
        (locks / planned.folder.id).symlink_to(canary / "thesis.txt")
    else:
        (canary / planned.folder.id).write_text("the only copy")
        locks.symlink_to(canary)
    before = content(canary)
    assert planned.folder.status == "interrupted"  # it is stepped over where records are read
    assert "a symbolic link" in refused(capsys, "train", *SMALL)
    assert content(canary) == before


def test_links_are_stepped_over_where_records_are_listed(outputs: Path, canary: Path) -> None:
    record(outputs, ID)
    (outputs / "runs" / "ab0123456789").symlink_to(canary)
    assert [run.id for run in all_runs(outputs)] == [ID]


# Folders that are no run's.


def test_only_a_runs_folder_is_emptied(tmp_path: Path, outputs: Path) -> None:
    elsewhere = RunFolder(tmp_path / ID)  # not below runs
    named = RunFolder(outputs / "runs" / "my-notes")  # no run id
    for run in (elsewhere, named):
        run.checkpoints.mkdir(parents=True)
        (run.checkpoints / "last.ckpt").write_text("the only copy")
        for destroy in (run.clear, lambda run=run: run.discard("checkpoints")):
            with pytest.raises(RecordError, match="not the folder of a run; nothing in it"):
                destroy()
        assert content(run.path) == {"checkpoints/last.ckpt": b"the only copy"}


@pytest.mark.parametrize("summary", [None, {"id": "ba9876543210"}, "not JSON"])
def test_a_folder_that_is_not_this_runs_record_is_left_alone(
    summary: Any, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planned,) = plan_command(SMALL)
    folder = planned.folder.path
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").write_text("the only copy")
    (folder / "thesis.txt").write_text("the only copy")
    if summary is not None:
        text = summary if isinstance(summary, str) else json.dumps(summary)
        (folder / "summary.json").write_text(text)
    before = content(folder)
    told = refused(capsys, "train", *SMALL)
    assert told.startswith(f"{folder}: not this run's record (it holds 'thesis.txt')")
    assert content(folder) == before


@pytest.mark.parametrize(
    ("named", "stay"),
    [
        ({}, {"errors.png", "mine.png", "notes.txt"}),  # of an earlier version
        ({"pictures": ["errors.png"]}, {"confusion.png", "mine.png", "notes.txt"}),
        ({"pictures": []}, {"confusion.png", "errors.png", "mine.png", "notes.txt"}),
        (
            {"pictures": ["notes.txt", "../mine.png", 7]},
            {"confusion.png", "errors.png", "mine.png", "notes.txt"},
        ),
        ({"pictures": "mine.png"}, {"confusion.png", "errors.png", "mine.png", "notes.txt"}),
    ],
)
def test_a_records_pictures_are_those_its_summary_names(
    outputs: Path, named: dict[str, Any], stay: set[str]
) -> None:
    run = record(outputs, ID)
    run.write("summary.json", {"id": ID, "status": "finished", **named})
    for name in ("confusion.png", "errors.png", "mine.png", "notes.txt", ".errors.png.0af3"):
        (run.path / name).write_text("a picture")
    delete_record(run.path)
    unfinished = set() if "errors.png" not in stay else {".errors.png.0af3"}
    assert {path.name for path in run.path.iterdir()} == stay | unfinished


def test_what_the_user_put_into_a_run_stays(outputs: Path) -> None:
    run = record(outputs, ID)
    (run.path / "notes.txt").write_text("mine")
    run.clear()
    assert content(run.path).keys() == {"notes.txt", "summary.json"}


def test_a_path_is_a_run_only_where_it_looks_like_one(outputs: Path, canary: Path) -> None:
    run = record(outputs, ID)
    assert find_run(outputs / "elsewhere", str(run.path)) == run
    (canary / "summary.json").write_text(json.dumps({"id": ID}))
    with pytest.raises(RecordError, match="not the record of a run"):
        find_run(outputs, str(canary))


# A finished record stands until another takes its place.


@pytest.fixture
def finished(outputs: Path, capsys: pytest.CaptureFixture[str]) -> RunFolder:
    assert fovea("train", *SMALL) == 0
    capsys.readouterr()
    (run,) = all_runs(outputs)
    (run.path / "notes.txt").write_text("mine")
    return run


@contextmanager
def failing(error: BaseException) -> Iterator[None]:
    """Let training raise an error at its third step."""
    original, calls = Classification.training_loss, iter(range(100))

    def training_loss(task: Classification, batch: Any) -> Any:
        if next(calls) == 2:
            raise error
        return original(task, batch)

    with mock.patch.object(Classification, "training_loss", training_loss):
        yield


def test_a_failed_rerun_leaves_the_finished_record(
    finished: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(finished.path)
    error = RuntimeError("the boiler burst")
    with failing(error), pytest.raises(RuntimeError, match="the boiler burst"):
        main(["train", *SMALL, "rerun=true"])
    assert content(finished.path) == before
    assert finished.status == "finished"
    assert finished.rerun.summary["error"] == "RuntimeError: the boiler burst"

    assert fovea("train", *SMALL) == 0  # shown as it was
    assert "1 of 1 runs were finished already" in capsys.readouterr().out
    started = finished.summary["started"]
    assert fovea("train", *SMALL, "rerun=true") == 0
    assert not finished.rerun.path.exists()
    assert finished.summary["started"] >= started
    assert finished.config["rerun"] is True
    assert (finished.path / "notes.txt").read_text() == "mine"
    assert all_runs(finished.path.parents[1]) == [finished]


def test_an_interrupted_rerun_goes_on_where_it_was(finished: RunFolder) -> None:
    before = content(finished.path)
    with failing(KeyboardInterrupt("SIGINT")):
        assert fovea("train", *SMALL, "rerun=true", "trainer.checkpoint_seconds=0") == 130
    assert content(finished.path) == before
    assert finished.rerun.status == "interrupted"
    assert (finished.rerun.checkpoints / "last.ckpt").is_file()
    assert fovea("train", *SMALL, "rerun=true") == 0
    assert "resumed after" in (finished.path / "train.log").read_text()
    metrics = json.loads(before["summary.json"])["metrics"]
    again = RunFolder(finished.path).metrics
    assert again["test/accuracy"] == metrics["test/accuracy"]
    assert again["train/loss"] == metrics["train/loss"]


def test_a_rerun_that_is_a_mistake_leaves_nothing(
    finished: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(finished.path)

    def gone(*_: object, **__: object) -> None:
        raise DataError("the disk was taken out")

    monkeypatch.setattr(Digits, "read", gone)
    assert refused(capsys, "train", *SMALL, "rerun=true") == "the disk was taken out"
    assert content(finished.path) == before
    assert not finished.rerun.path.exists()


def test_a_replacement_that_was_killed_is_completed(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = record(outputs, ID)
    new = old.rerun
    (old.path / "notes.txt").write_text("mine")
    new.write("summary.json", {"id": ID, "status": "finished", "metrics": {"test/accuracy": 1.0}})
    rename, calls = Path.rename, iter(range(100))

    def killed(path: Path, target: Path) -> Path:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        replace_by_rerun(old)
    monkeypatch.undo()
    assert replace_by_rerun(old)
    assert old.metrics == {"test/accuracy": 1.0}
    assert content(old.path).keys() == {"notes.txt", "summary.json"}
    assert content(outputs / "runs" / ".replaced") == {}
    assert not replace_by_rerun(old)


# Data.


def test_looking_reads_no_data(
    finished: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("data was read")

    monkeypatch.setattr(Digits, "read", read)
    assert fovea("train", *SMALL, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "1 done" in printed
    assert printed.count("data not checked") == 1
    assert fovea("status", "quickstart") == 0
    assert capsys.readouterr().out.count("data not checked") == 1


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("fingerprint", "f" * 64, "its fingerprint was"),
        ("classes", [*"abcdefghij"], "its classes were"),
    ],
)
def test_a_record_of_other_data_is_replaced_only_if_asked(
    key: str,
    value: Any,
    reason: str,
    finished: RunFolder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finished.write("data.json", finished.read("data.json") | {key: value})
    files = finished.sizes(finished.summary["files"])
    finished.write("summary.json", finished.summary | {"files": files})
    before = content(finished.path)
    told = refused(capsys, "train", *SMALL, "seed=0,1")
    assert told.startswith(f"finished on other data than there is now: {finished.id} ({reason} ")
    assert told.endswith("rerun=true replaces the records, another outputs= keeps both")
    assert content(finished.path) == before
    assert len(all_runs(finished.path.parents[1])) == 1  # nothing else was trained beside it
    assert fovea("train", *SMALL, "rerun=true") == 0
    assert finished.read("data.json")[key] != value


def test_values_that_are_one_run_are_reported(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def collapsed(*overrides: str) -> list[str]:
        assert fovea("train", *SMALL, *overrides, "--dry-run") == 0
        return [line for line in capsys.readouterr().out.splitlines() if " values give " in line]

    assert collapsed("data.root=a,b,c") == [
        "data.root: its 3 values give one run id; only the first is trained"
    ]
    assert collapsed("seed=0,1", "trainer.threads=1,2") == [
        "trainer.threads: its 2 values give the same run ids; only the first is trained"
    ]
    assert collapsed("seed=0,1,0", "optimizer.lr=1,2") == []


def test_a_rerun_of_another_process_is_left_to_it(
    finished: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(finished.path)
    with finished.lock() as free:
        assert free
        assert fovea("train", *SMALL, "rerun=true") == 0
    assert f"{finished.id} is being trained again by another process" in capsys.readouterr().out
    assert content(finished.path) == before
