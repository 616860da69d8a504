"""The trackers that are plain files, and what every tracker is sent."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fovea.config.errors import ConfigError
from fovea.records import RunFolder
from fovea.tracking.history import replay
from fovea.tracking.trackers import Csv, RunInfo, TensorBoard, Tracker, Wandb

ROWS = [
    {"epoch": 0, "step": 20, "train/loss": 1.5, "val/accuracy": 0.5},
    {"epoch": 1, "step": 40, "train/loss": 0.5, "val/accuracy": 0.75},
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
    assert curves["step"].tolist() == [19, 39]  # of the last step, from 0, as Lightning counts


def test_tensorboard(tmp_path: Path) -> None:
    sent(TensorBoard(), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(19, 1.5), (39, 0.5)]
    assert events.Scalars("val/accuracy")[1].value == pytest.approx(0.75)


def test_wandb_that_cannot_start_is_told(tmp_path: Path) -> None:
    info = RunInfo(RunFolder(tmp_path), "mlp-digits-0", None, [], {})
    refused = mock.patch("wandb.init", side_effect=wandb.Error("no\nkey"))
    with refused, pytest.raises(ConfigError, match=r"^tracking\.mode=online: no key \(tracking\."):
        Wandb(mode="online").start(info)
