"""Lightning's loggers as trackers, and what every tracker is sent."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import wandb
import yaml
from pytorch_lightning.loggers import CSVLogger, Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.config.schema import validate
from fovea.records import RunFolder
from fovea.records.deleting import delete_record
from fovea.training.tracking.guarded import Guarded
from fovea.training.tracking.history import replay
from fovea.training.tracking.trackers import (
    LoggerTracker,
    Outcome,
    RunInfo,
    Tracker,
    Wandb,
    build_tracker,
)

ROWS = [
    {"epoch": 1, "step": 20, "train/loss": 1.5, "val/accuracy": 0.5},
    {"epoch": 2, "step": 40, "train/loss": 0.5, "val/accuracy": 0.75},
]


TESTED = Outcome({"metrics": {"val/accuracy": 0.75, "test/accuracy": 0.7}, "steps": 40})


def tracker(option: str, run: RunFolder) -> Tracker:
    return build_tracker(compose_run([f"tracking={option}"])["tracking"], option, run)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "0123456789ab")


def sent(option: str, run: RunFolder) -> Path:
    """Send a tracker a run, twice: the first time it is interrupted."""
    for rows in (ROWS[:1], ROWS):
        own = tracker(option, run)
        logger = own.start(RunInfo(run, "mlp-digits-0", None, [], {"optimizer": {"lr": 0.1}}))
        replay(rows, logger)
        logger.finalize("success")
        if rows is ROWS:
            own.report(TESTED)
        own.finish(0)
    return run.path / "loggers" / option


def test_csv(run: RunFolder) -> None:
    folder = sent("csv", run)
    curves = pd.read_csv(folder / "metrics.csv")
    assert curves["train/loss"].tolist()[:2] == [1.5, 0.5]
    assert curves["val/accuracy"].tolist()[:2] == [0.5, 0.75]
    assert curves["test/accuracy"].tolist()[2] == 0.7
    assert curves["epoch"].tolist()[:2] == [1, 2]
    assert curves["step"].tolist() == [19, 39, 39]  # of the last step, from 0, as Lightning counts
    assert yaml.safe_load((folder / "hparams.yaml").read_text()) == {"optimizer": {"lr": 0.1}}
    delete_record(run.path)
    assert not run.path.exists()


def test_tensorboard(run: RunFolder) -> None:
    events = EventAccumulator(str(sent("tensorboard", run))).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(19, 1.5), (39, 0.5)]
    assert events.Scalars("val/accuracy")[1].value == pytest.approx(0.75)
    assert events.Scalars("test/accuracy")[0].value == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "MLFlowLogger"}, "ModuleNotFoundError: .*mlflow"),
        ({"_target_": "CSVLogger", "bucket": 1}, "TypeError: .*'bucket'"),
        ({"_target_": "CSVLogger", "name": "../../x"}, "tracking: CSVLogger would write to .*/x"),
        ({"_target_": "CSVLogger", "save_dir": "/tmp"}, "save_dir=/tmp: a config may not have"),
    ],
)
def test_a_logger_that_cannot_be_is_told_before_training(
    run: RunFolder, node: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_tracker(
            node | {"_target_": f"pytorch_lightning.loggers.{node['_target_']}"}, "x", run
        )
    assert len(str(caught.value).splitlines()) == 1
    assert not run.path.exists()


def test_wandb_that_cannot_start_online_is_tracked_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = RunInfo(RunFolder(tmp_path / "ab12"), "mlp-digits-0", None, [], {})
    with mock.patch("wandb.init", side_effect=[wandb.Error("no\nkey"), mock.DEFAULT]) as init:
        init.return_value.resumed = False
        Wandb(mode="online").start(info)
    assert [call.kwargs["mode"] for call in init.call_args_list] == ["online", "offline"]
    assert capsys.readouterr().err == "fovea: W&B: no key; tracked offline: fovea sync ab12\n"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tracking.tags=['']", "tracking.tags=: string should have at least 1 character"),
        (f"tracking.tags=[{'a' * 65}]", "string should have at most 64 characters"),
        ("tracking.project=a/b", "tracking.project=a/b: string should match pattern"),
        (f"tracking.project={'a' * 129}", "string should have at most 128 characters"),
    ],
)
def test_what_wandb_refuses_is_refused_before_training(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        validate(compose_run([override]))


def test_every_project_and_tag_that_is_validated_is_one_for_wandb() -> None:
    tags, project = ["t" * 64, " "], "p" * 128
    validate(compose_run([f"tracking.tags=[{tags[0]},' ']", f"tracking.project={project}"]))
    assert wandb.Settings(run_tags=tags, project=project).run_tags == tuple(tags)


def test_tensorboard_that_is_not_installed_is_told_before_training(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(f"lightning_fabric.loggers.tensorboard.{name}", False)
    with pytest.raises(ConfigError, match="ModuleNotFoundError: Neither `tensorboard` nor"):
        tracker("tensorboard", run)


class Fragile(LoggerTracker):
    """Fails at every call of one of its methods, or of its logger's, and counts the calls."""

    def __init__(self, weak: str, folder: Path) -> None:
        super().__init__(CSVLogger(folder), "loggers/fragile")
        self.weak = weak
        self.calls: list[str] = []

    def called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.weak:
            raise RuntimeError(f"no {name}")

    def start(self, info: RunInfo) -> Logger:
        self.called("start")
        logger = super().start(info)
        for name in ("log_metrics", "save", "finalize"):
            setattr(logger, name, partial(lambda each, *_: self.called(each), name))
        return logger

    def report(self, outcome: Outcome) -> None:
        self.called("report")

    def finish(self, exit_code: int) -> None:
        self.called("finish")


ALL = ["start", "log_metrics", "log_metrics", "save", "finalize", "report", "finish"]


@pytest.mark.parametrize(
    ("weak", "calls"),
    [
        ("nothing", ALL),
        ("start", ["start", "finish"]),
        ("log_metrics", ["start", "log_metrics", "finish"]),
        ("finalize", [*ALL[:5], "finish"]),
        ("report", ALL),
        ("finish", ALL),
    ],
)
def test_a_tracker_that_fails_is_warned_of_once_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, weak: str, calls: list[str]
) -> None:
    tracker = Fragile(weak, tmp_path)
    guarded = Guarded(tracker, "tracking=fragile")
    logger = guarded.start(RunInfo(RunFolder(tmp_path), "mlp-digits-0", None, [], {}))
    replay(ROWS, logger)
    logger.save()
    logger.finalize("success")
    guarded.report(Outcome({}))
    guarded.finish(0)
    assert tracker.calls == calls
    warnings = [each.getMessage().splitlines() for each in caplog.records]
    assert len(warnings) == (weak != "nothing")
    assert all(f"RuntimeError: no {weak}" == lines[-1] for lines in warnings)
    assert all(lines[0] == "tracking=fragile failed and is sent no more:" for lines in warnings)


def test_an_interrupt_is_no_failure_of_a_tracker() -> None:
    with pytest.raises(KeyboardInterrupt):
        Guarded(mock.Mock(), "").attempt(mock.Mock(side_effect=KeyboardInterrupt))
