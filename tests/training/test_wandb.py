"""W&B's offline runs, read back with W&B's own reader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fovea.config.compose import compose_run
from fovea.config.errors import DataError
from fovea.problems.classification.losses import CrossEntropy
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder, run_folder
from fovea.training.train import train

KEY = "0123456789abcdef0123456789abcdef01234567"
TOKEN, SECRET = "canary-token-of-the-remote", "canary-of-the-environment"
CHOICES = {"model": "mlp", "data": "digits"}


@dataclass(frozen=True)
class OfflineRun:
    """What is in the only W&B run of a record."""

    folder: Path
    records: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record[kind] for record in self.records if record["type"] == kind]

    @property
    def history(self) -> list[dict[str, Any]]:
        return [record["item"] for record in self.of("history")]

    @property
    def summary(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for record in self.of("summary"):
            merged |= record["update"]
        return merged

    @property
    def exit_code(self) -> int:
        (record,) = self.of("exit")
        return record.get("exit_code", 0)


def offline_run(run: RunFolder) -> OfflineRun:
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    reader = Path(sys.executable).with_name("wandb")
    done = subprocess.run(
        [reader, "leet", "inspect", "--json", folder], capture_output=True, text=True, check=True
    )
    return OfflineRun(folder, [json.loads(line) for line in done.stdout.splitlines()])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunFolder]]:
    """One finished run, two that fail, and another finished one, in one process."""
    home = tmp_path_factory.mktemp("runs")
    kinds = ("first", "bad_data", "bad_step", "second", "taken_up")
    folders = {kind: run_folder(home, f"{number:012x}") for number, kind in enumerate(kinds)}
    common = ["trainer.accelerator=cpu", "trainer.limit_batches=3", "model.hidden_sizes=[16]"]

    def start(kind: str, *overrides: str) -> None:
        config = compose_run([*common, *overrides]) | {"experiment": "trial"}
        train(config, folders[kind], CHOICES)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        patch.setenv("WANDB_API_KEY", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.chdir(checkout(home / "checkout"))
        patch.setenv("WANDB_DATA_DIR", str(home / "staging"))
        patch.setenv("WANDB_CACHE_DIR", str(home / "cache"))
        start("first", "epochs=2", "model.num_classes=12", "tracking.tags=[trial-tag]")
        with pytest.raises(DataError):
            start("bad_data", "batch_size=5000")
        burst = mock.patch.object(CrossEntropy, "forward", side_effect=ArithmeticError)
        with burst, pytest.raises(ArithmeticError):
            start("bad_step")
        start("second", "epochs=1", "seed=1")
        with interrupt_at(5), pytest.raises(KeyboardInterrupt):
            start("taken_up", "epochs=3")
        start("taken_up", "epochs=3")
        yield folders


def checkout(folder: Path) -> Path:
    """Make a git checkout whose remote holds an access token in its user part."""
    remote = f"https://{TOKEN}@example.com/x.git"
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    folder.mkdir()
    for arguments in (("init",), ("remote", "add", "origin", remote)):
        subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)
    (folder / "script.py").write_text("pass\n")
    for arguments in (("add", "."), ("commit", "-m", "first")):
        subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)
    return folder


@contextmanager
def interrupt_at(batch: int) -> Iterator[None]:
    """Send this process a SIGTERM while it trains on a batch, counted from 1 over all epochs."""
    seen = count(1)
    original = Classification.training_loss

    def counting(task: Classification, drawn: Any) -> Any:
        if next(seen) == batch:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(task, drawn)

    with mock.patch.object(Classification, "training_loss", counting):
        yield


@pytest.fixture(scope="module")
def first(runs: dict[str, RunFolder]) -> OfflineRun:
    return offline_run(runs["first"])


def test_identity_and_config(first: OfflineRun, runs: dict[str, RunFolder]) -> None:
    (record,) = first.of("run")
    assert record["run_id"] == runs["first"].id
    assert (record["display_name"], record["project"]) == ("mlp-digits-0", "fovea")
    assert (record["run_group"], record["job_type"]) == ("trial", "train")
    assert record["tags"] == ["mlp", "digits", "trial-tag"]
    config = record["config"]["update"]
    assert config["model"]["hidden_sizes"] == [16]
    assert config["optimizer"]["lr"] == 0.001
    assert config["choices"] == CHOICES
    assert config.keys() - {"_wandb", "choices"} == runs["first"].config.keys()


def test_curves_are_over_epochs(first: OfflineRun) -> None:
    axes = {
        record["glob_name"]: record["step_metric"]
        for record in first.of("metric")
        if "glob_name" in record
    }
    assert axes["*"] == "epoch"


def test_history_is_the_records_own(first: OfflineRun, runs: dict[str, RunFolder]) -> None:
    for row in runs["first"].history():
        logged: dict[str, Any] = {}
        for item in first.history:
            if item.get("epoch") == row["epoch"]:
                logged |= item
        assert logged["trainer/global_step"] == row["step"] - 1
        assert logged.items() >= {k: v for k, v in row.items() if k != "step"}.items()


def test_the_history_of_a_run_taken_up_has_neither_gaps_nor_doubles(
    runs: dict[str, RunFolder],
) -> None:
    told = offline_run(runs["taken_up"])
    trained = [item["epoch"] for item in told.history if "train/loss" in item]
    validated = [item["epoch"] for item in told.history if "val/loss" in item]
    assert trained == validated == [1, 2, 3]
    assert told.exit_code == 0


def test_summary_and_exit_code(first: OfflineRun, runs: dict[str, RunFolder]) -> None:
    recorded = runs["first"].summary
    assert first.summary.items() >= recorded["metrics"].items()
    for key in ("best_epoch", "selected", "parameters", "macs", "steps", "seconds"):
        assert first.summary[key] == recorded[key]
    assert first.exit_code == 0


def test_the_pictures_of_the_predictions(first: OfflineRun, runs: dict[str, RunFolder]) -> None:
    (logged,) = (item for item in first.history if "test/confusion.path" in item)
    sent = Image.open(first.folder / "files" / logged["test/confusion.path"])
    with Image.open(runs["first"].path / "confusion.png") as recorded:
        np.testing.assert_array_equal(np.asarray(sent), np.asarray(recorded))


def test_sample_pictures(first: OfflineRun, runs: dict[str, RunFolder]) -> None:
    (logged,) = (item for item in first.history if "test/samples.count" in item)
    assert logged["test/samples.count"] == 32
    files = [first.folder / "files" / name for name in logged["test/samples.filenames"]]
    pictures = [np.asarray(Image.open(file)) for file in files]
    assert {picture.shape for picture in pictures} == {(8, 8)}
    table = pd.read_parquet(runs["first"].predictions)
    names = [*"0123456789", "output 10", "output 11"]
    assert logged["test/samples.captions"] == [
        f"{names[label]}, predicted {names[guess]}"
        for label, guess in zip(table["label"][:32], table["prediction"][:32], strict=True)
    ]


def test_a_failed_run_is_a_failed_run(runs: dict[str, RunFolder]) -> None:
    assert runs["bad_step"].status == "failed"
    failed = offline_run(runs["bad_step"])
    assert failed.exit_code == 1
    assert failed.history == []


def test_nothing_is_sent_of_a_mistake(runs: dict[str, RunFolder]) -> None:
    assert not runs["bad_data"].path.exists()


def test_the_next_run_is_one_of_its_own(runs: dict[str, RunFolder], first: OfflineRun) -> None:
    second = offline_run(runs["second"])
    (record,) = second.of("run")
    assert record["run_id"] == runs["second"].id
    assert record["config"]["update"]["seed"] == 1
    assert [item["epoch"] for item in second.history if "train/loss" in item] == [1]
    assert [item["epoch"] for item in first.history if "train/loss" in item] == [1, 2]
    assert second.exit_code == 0


@pytest.mark.parametrize("canary", [KEY, TOKEN, SECRET])
def test_no_file_holds_a_secret(runs: dict[str, RunFolder], canary: str) -> None:
    home = runs["first"].path.parents[1]
    recorded = [run.path for kind, run in runs.items() if kind != "bad_data"]
    for folder in [*recorded, home / "staging", home / "cache"]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(files) > 5 or folder.name in ("staging", "cache")
        assert not [path for path in files if canary.encode() in path.read_bytes()]
