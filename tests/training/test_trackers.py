"""The trackers that are plain files, and what every tracker is sent."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import wandb
from pytorch_lightning.loggers import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.config.schema import validate
from fovea.records import RunFolder
from fovea.training.tracking import trackers
from fovea.training.tracking.guarded import Guarded
from fovea.training.tracking.history import replay
from fovea.training.tracking.trackers import Csv, Outcome, RunInfo, TensorBoard, Tracker, Wandb

ROWS = [
    {"epoch": 1, "step": 20, "train/loss": 1.5, "val/accuracy": 0.5},
    {"epoch": 2, "step": 40, "train/loss": 0.5, "val/accuracy": 0.75},
]


def sent(tracker: Tracker, folder: Path) -> None:
    logger = tracker.start(RunInfo(RunFolder(folder), "mlp-digits-0", None, [], {}))
    replay(ROWS, logger)
    logger.finalize("success")
    tracker.finish(0)


def test_csv(tmp_path: Path) -> None:
    sent(Csv(), tmp_path)
    curves = pd.read_csv(tmp_path / "csv" / "metrics.csv")
    assert curves["train/loss"].tolist() == [1.5, 0.5]
    assert curves["val/accuracy"].tolist() == [0.5, 0.75]
    assert curves["epoch"].tolist() == [1, 2]
    assert curves["step"].tolist() == [19, 39]  # of the last step, from 0, as Lightning counts


def test_tensorboard(tmp_path: Path) -> None:
    sent(TensorBoard(), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(19, 1.5), (39, 0.5)]
    assert events.Scalars("val/accuracy")[1].value == pytest.approx(0.75)


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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"install fovea\[tensorboard\]"):
        TensorBoard()


class Fragile(Csv):
    """Fails at every call of one of its methods, or of its logger's, and counts the calls."""

    def __init__(self, weak: str) -> None:
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
    tracker = Fragile(weak)
    guarded = Guarded(tracker)
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


def test_an_interrupt_is_no_failure_of_a_tracker() -> None:
    with pytest.raises(KeyboardInterrupt):
        Guarded(Csv()).attempt(mock.Mock(side_effect=KeyboardInterrupt))
