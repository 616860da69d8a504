"""Training on two devices, through the real command: one record, measured over every sample."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from fovea.records import RunFolder, all_runs
from fovea.training.evaluate import evaluate
from fovea.training.settings import TrainerSettings

COMMAND = ("trainer.devices=2", "trainer.accelerator=cpu", "trainer.precision=32", "epochs=2")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    outputs = tmp_path_factory.mktemp("outputs")
    subprocess.run(
        [sys.executable, "-m", "fovea", "train", *COMMAND, "tracking=csv", f"outputs={outputs}"],
        check=True,
        capture_output=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    (only,) = all_runs(outputs)
    return only


def test_the_history_is_of_both_ranks(run: RunFolder) -> None:
    rows = run.history()
    assert [row["step"] for row in rows] == [11, 22]  # batches of 64 on each of two devices
    assert rows[1]["train/loss"] < rows[0]["train/loss"]
    in_144ths = [row["val/accuracy"] * 144 for row in rows]  # not of one rank's 72 images
    assert in_144ths == pytest.approx(np.round(in_144ths), abs=1e-3)


def test_the_summary_is_of_the_whole_run(run: RunFolder) -> None:
    summary = run.summary
    assert summary["status"] == "finished"
    assert (summary["epochs"], summary["steps"], summary["diverged"]) == (2, 22, False)
    assert (
        summary["metrics"].items()
        >= {
            key: value
            for key, value in run.history()[summary["best_epoch"] - 1].items()
            if key.startswith(("train/", "val/"))
        }.items()
    )


def test_every_test_image_was_measured_once(run: RunFolder) -> None:
    table = pd.read_parquet(run.predictions)
    assert len(table) == 360
    right = (table["label"] == table["prediction"]).mean()
    assert run.metrics["test/accuracy"] == np.float32(right)
    assert right > 0.85
    assert evaluate(run).items() <= run.metrics.items()


def test_there_is_one_record_of_the_curves(run: RunFolder) -> None:
    (file,) = run.path.glob("loggers/*/metrics.csv")
    curves = pd.read_csv(file).dropna(subset="epoch")  # the row of the test has none
    assert curves["val/accuracy"].tolist() == [row["val/accuracy"] for row in run.history()]
    assert curves["step"].tolist() == [10, 21]


@pytest.mark.parametrize(
    ("settings", "strategy"),
    [
        (TrainerSettings(), "auto"),
        (TrainerSettings(devices=2), "ddp_spawn"),
        (TrainerSettings(devices=2, strategy="ddp_notebook"), "ddp_notebook"),
        (TrainerSettings(devices=2, strategy="ddp_notebook").single_device(), "auto"),
    ],
)
def test_strategy(settings: TrainerSettings, strategy: str) -> None:
    assert settings.resolved_strategy == strategy
