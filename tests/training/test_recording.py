"""What is recorded of runs that fail, are interrupted, or whose tracker fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import get_umask
from torch.multiprocessing import ProcessRaisedException

from fovea.config.compose import compose_run
from fovea.config.errors import DataError
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder
from fovea.training.tracking.trackers import LoggerTracker
from fovea.training.train import train

CHOICES = {"model": "mlp", "data": "digits"}


def failing(step: int, error: BaseException) -> Any:
    """Return a training step that raises at its ``step``-th call."""
    original, calls = Classification.training_loss, iter(range(10**6))

    def training_loss(task: Classification, batch: Any) -> Any:
        if next(calls) == step:
            raise error
        return original(task, batch)

    return training_loss


def raising(error: BaseException) -> Callable[..., None]:
    """Return a function that raises whatever it is called with."""

    def function(*_: object, **__: object) -> None:
        raise error

    return function


@pytest.fixture
def failed_run(tmp_path: Path) -> Iterator[partial[Any]]:
    """A run to be started where it fails, and its record; Lightning's handling of ^C undone."""
    handler = signal.getsignal(signal.SIGINT)
    cpu = ["trainer.accelerator=cpu", "trainer.precision=32"]
    config = compose_run([*cpu, "tracking=csv", "trainer.limit_batches=3"])
    yield partial(train, config, RunFolder(tmp_path / "runs" / "0123456789ab"), CHOICES)
    signal.signal(signal.SIGINT, handler)


def test_a_failure_is_recorded_and_raised(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError("the boiler burst\nand more of it")
    monkeypatch.setattr(Classification, "training_loss", failing(4, error))
    with pytest.raises(RuntimeError, match="the boiler burst"):
        failed_run()
    run: RunFolder = failed_run.args[1]
    assert run.status == "failed"
    assert run.summary["error"] == "RuntimeError: the boiler burst"
    assert run.summary["seconds"] > 0
    assert [row["epoch"] for row in run.history()] == [1]  # the epoch before is kept
    assert "Traceback" in caplog.text


def test_a_failure_in_another_process_is_told_by_its_last_line(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n\n-- Process 1 terminated with the following error:\nTraceback …\nValueError: rusty\n"
    error = ProcessRaisedException(text, 1, 4711)
    monkeypatch.setattr(Classification, "training_loss", failing(0, error))
    with pytest.raises(ProcessRaisedException):
        failed_run()
    assert failed_run.args[1].summary["error"] == "ValueError: rusty"


def test_an_interrupt_is_recorded(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classification, "training_loss", failing(1, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        failed_run()
    assert failed_run.args[1].status == "interrupted"


def test_a_finished_run_stands_where_its_tracker_fails(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LoggerTracker, "report", raising(RuntimeError("the server is gone")))
    failed_run()
    assert failed_run.args[1].status == "finished"
    assert "the server is gone" in caplog.text


def test_a_finished_run_stands_where_its_tracker_is_interrupted(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoggerTracker, "report", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        failed_run()
    assert failed_run.args[1].status == "finished"


def test_a_record_is_as_private_as_the_user_has_it(failed_run: partial[Any]) -> None:
    before = os.umask(0o077)
    get_umask.cache_clear()  # fsspec, which writes checkpoints, asks once a process
    try:
        failed_run()
    finally:
        os.umask(before)
        get_umask.cache_clear()
    files = [path for path in failed_run.args[1].path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not {path.name: path.stat().st_mode for path in files if path.stat().st_mode & 0o077}


def test_a_mistake_before_the_first_step_leaves_no_record(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run, _ = failed_run.args
    config["batch_size"] = 2000
    monkeypatch.setattr(LoggerTracker, "start", raising(AssertionError("nothing is tracked of it")))
    with pytest.raises(DataError, match=r"^1293 training images are fewer than batch_size=2000;"):
        failed_run()
    assert not run.path.exists()


def test_a_mistake_leaves_what_was_there_before(
    failed_run: partial[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run, _ = failed_run.args
    monkeypatch.setattr(Classification, "training_loss", failing(4, RuntimeError()))
    with pytest.raises(RuntimeError):
        failed_run()
    rows = run.history()
    config["batch_size"] = 2000
    with pytest.raises(DataError):
        failed_run()
    assert run.history() == rows
    assert run.status == "failed"
    assert run.summary["error"].startswith("1293 training images are fewer than batch_size=2000;")
