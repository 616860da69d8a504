"""A run that is interrupted and taken up ends as one that was not, to the bit."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from fovea.config.compose import compose_run
from fovea.config.errors import DataError
from fovea.data.image.module import ImageData
from fovea.problems import base
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder
from fovea.training.assemble import load_checkpoint
from fovea.training.compiling import CompiledTraining
from fovea.training.evaluate import evaluate
from fovea.training.train import train

EPOCHS, BATCHES = 4, 5
RUN = Path("runs", "0123456789ab")
SMALL = [
    f"epochs={EPOCHS}",
    "batch_size=16",
    "trainer.accelerator=cpu",
    "trainer.precision=32",
    f"trainer.limit_batches={BATCHES}",
    "tracking=csv",
]
# Dropout draws from the global generator; momentum, schedule and averages have states.
RECIPES = {
    "plain": ["model.dropout=0.2", "augment=flip_crop", "optimizer=sgd", "schedule=cosine"],
    "averaged": ["optimizer=adamw", "schedule=one_cycle", "trainer.ema_decay=0.8"],
    "accumulated": ["model.dropout=0.2", "trainer.accumulate=2", "trainer.gradient_clip=0.1"],
    "patient": ["trainer.patience=2", "optimizer.lr=1e-7"],
    "batch normalised": ["model=resnet", "model.depth=8", "augment=flip_crop"],
    "no validation": ["data.val_fraction=0", "model.dropout=0.2"],
}


def run_once(folder: Path, *overrides: str) -> RunFolder:
    run = RunFolder(folder)
    train(compose_run([*SMALL, *overrides]), run, {"model": "mlp", "data": "digits"})
    return run


@contextmanager
def interrupt_at(batch: int, signum: int = signal.SIGTERM) -> Iterator[None]:
    """Send this process a signal while it trains on a batch, counted from 1 over all epochs.

    A burst is one step, so that it is this one after which the training stops.
    """
    seen = 0
    original = Classification.training_loss

    def counting(self: Classification, drawn: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == batch:
            os.kill(os.getpid(), signum)
        return original(self, drawn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classification, "training_loss", counting)
        patch.setattr(base, "BURST_SECONDS", 0.0)
        yield


def outcome(run: RunFolder) -> dict[str, Any]:
    """Return all of a record that is not time or memory."""
    timed = ("seconds", "samples_per_second")
    told = ("metrics", "per_class_accuracy", "selected", "best_epoch", "epochs", "steps", "status")
    metrics = {key: value for key, value in run.metrics.items() if key not in timed}
    return {
        **{key: run.summary[key] for key in told},
        "metrics": metrics,
        "history": [
            {key: value for key, value in row.items() if key not in timed} for row in run.history()
        ],
        "predictions": run.predictions.read_bytes(),
        "curves": _curves(run, timed),
    }


def _curves(run: RunFolder, timed: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return every value that the tracker was told, with its epoch: without gaps or doubles."""
    curves = pd.read_csv(next(run.path.glob("loggers/*/metrics.csv")))
    curves = curves.drop(columns=["step", *timed])
    told = curves.melt("epoch").dropna().sort_values(["epoch", "variable"])
    return list(told.itertuples(index=False, name=None))


def same_weights(one: RunFolder, other: RunFolder, name: str) -> bool:
    states = [load_checkpoint(run, name) for run in (one, other)]
    return all(
        _equal(states[0].get(key), states[1].get(key)) for key in ("state_dict", "optimizer_states")
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a root of 2 × 24 small pictures."""
    noise = np.random.default_rng(0)
    for index in range(48):
        file = tmp_path / "pictures" / f"class{index % 2}" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file)
    return tmp_path / "pictures"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RunFolder]:
    runs: dict[str, RunFolder] = {}

    def get(recipe: str) -> RunFolder:
        if recipe not in runs:
            folder = tmp_path_factory.mktemp("undisturbed") / RUN
            runs[recipe] = run_once(folder, *RECIPES[recipe])
        return runs[recipe]

    return get


@pytest.mark.parametrize(
    ("recipe", "batch"),
    [("plain", 1), *((recipe, batch) for recipe in RECIPES for batch in (7, 10, None))],
)
def test_an_interrupted_run_ends_as_an_undisturbed_one(
    recipe: str, batch: int | None, undisturbed: Callable[[str], RunFolder], tmp_path: Path
) -> None:
    expected = undisturbed(recipe)
    last = BATCHES * len(expected.history())
    with interrupt_at(batch or last), pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        run_once(tmp_path / RUN, *RECIPES[recipe])
    run = RunFolder(tmp_path / RUN)
    assert run.status == "interrupted"
    assert run.summary["error"] == "KeyboardInterrupt: SIGTERM"
    assert len(run.history()) == (batch or last) // BATCHES
    run_once(tmp_path / RUN, *RECIPES[recipe])
    assert outcome(run) == outcome(expected)
    assert same_weights(run, expected, "last")
    assert same_weights(run, expected, run.summary["selected"])


def test_the_best_weights_are_never_of_epochs_that_were_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is killed after epochs that no ``last.ckpt`` holds; on a GPU the second go differs."""
    on_test = ["data.validate_on=test", "select=best"]
    run, last = RunFolder(tmp_path / RUN), tmp_path / RUN / "checkpoints" / "last.ckpt"
    with interrupt_at(5), pytest.raises(KeyboardInterrupt):
        run_once(run.path, *on_test)
    left = last.read_bytes()
    with interrupt_at(10), pytest.raises(KeyboardInterrupt):
        run_once(run.path, *on_test)
    lost = run.history()
    assert lost[2]["val/accuracy"] > lost[0]["val/accuracy"]
    last.write_bytes(left)
    original = Classification.training_loss

    def climbing(self: Classification, batch: Any) -> Any:
        loss = original(self, batch)
        return replace(loss, total=-10 * loss.total)

    monkeypatch.setattr(Classification, "training_loss", climbing)
    run_once(run.path, *on_test)
    first, *others = (row["val/accuracy"] for row in run.history())
    assert len(others) == EPOCHS - 1
    assert first > max(others)
    assert run.summary["best_epoch"] == 1
    assert run.metrics["test/accuracy"] == first


def test_a_run_on_files_decoded_as_they_are_needed_is_taken_up(
    tmp_path: Path, pictures: Path
) -> None:
    """Worker processes decode ahead of what was trained on."""
    files = ["data=image_folder", f"data.source.folder={pictures}", "data.image_size=8"]
    files += ["data.memory_limit=1e-9", "data.workers=1", "batch_size=4", "trainer.ema_decay=0.5"]
    expected = run_once(tmp_path / "undisturbed", *files)
    with interrupt_at(8), pytest.raises(KeyboardInterrupt):
        run_once(tmp_path / RUN, *files)
    assert outcome(run_once(tmp_path / RUN, *files)) == outcome(expected)


def test_a_run_on_a_loader_of_torch_s_is_taken_up_at_the_start_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain(self: ImageData) -> DataLoader[Any]:
        images, labels = (torch.cat(each) for each in zip(*self.loader("train"), strict=True))
        return DataLoader(TensorDataset(images, labels), self.batch_size, shuffle=True)

    monkeypatch.setattr(ImageData, "train_dataloader", plain)
    expected = run_once(tmp_path / "undisturbed")
    with interrupt_at(8), pytest.raises(KeyboardInterrupt):
        run_once(tmp_path / RUN)
    checkpoint = load_checkpoint(RunFolder(tmp_path / RUN), "last")
    assert checkpoint["epoch_so_far"]["batches"] == 0
    assert len(checkpoint["fovea"]["history"]) == 1
    assert outcome(run_once(tmp_path / RUN)) == outcome(expected)


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    with interrupt_at(2), interrupt_at(2, signal.SIGINT), pytest.raises(KeyboardInterrupt):
        run_once(tmp_path / RUN, "trainer.checkpoint_seconds=1000")
    run = RunFolder(tmp_path / RUN)
    assert run.status == "interrupted"
    assert not run.checkpoints.exists()


def test_signals_are_handled_as_before_when_training_is_over(tmp_path: Path) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    run_once(tmp_path / RUN)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def cut_short(folder: Path) -> RunFolder:
    with interrupt_at(12), pytest.raises(KeyboardInterrupt):
        run_once(folder)
    return RunFolder(folder)


def spoil_checkpoint(run: RunFolder) -> None:
    file = run.checkpoints / "last.ckpt"
    file.write_bytes(file.read_bytes()[:-1000])


def spoil_code(run: RunFolder) -> None:
    environment = run.read("environment.json")
    environment["code"]["fovea.models.mlp"] = "changed"
    run.write("environment.json", environment)


def spoil_data(run: RunFolder) -> None:
    run.write("data.json", run.read("data.json") | {"fingerprint": "other"})


def spoil_classes(run: RunFolder) -> None:
    described = run.read("data.json")
    run.write("data.json", described | {"classes": ["nought", *described["classes"][1:]]})


def spoil_environment(run: RunFolder) -> None:
    (run.path / "environment.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_checkpoint, "last.ckpt: damaged"),
        (spoil_code, "the code has changed (fovea.models.mlp)"),
        (spoil_environment, "environment.json:1: not JSON"),
    ],
)
def test_what_cannot_be_taken_up_starts_anew_and_is_named(
    spoil: Callable[[RunFolder], None],
    reason: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = cut_short(tmp_path / RUN)
    spoil(run)
    run_once(tmp_path / RUN)
    assert reason in caplog.text
    assert [row["epoch"] for row in run.history()] == [1, 2, 3, 4]
    assert outcome(run) == outcome(run_once(tmp_path / "again"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(spoil_data, "its fingerprint was"), (spoil_classes, "its classes were")],
)
def test_a_run_begun_on_other_data_is_left_as_it_is(
    spoil: Callable[[RunFolder], None],
    reason: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = cut_short(tmp_path / RUN)
    described = run.read("data.json")
    spoil(run)
    checkpoint = (run.checkpoints / "last.ckpt").read_bytes()
    with pytest.raises(DataError, match=re.escape(f"was begun on other data ({reason} ")):
        run_once(tmp_path / RUN)
    assert (run.checkpoints / "last.ckpt").read_bytes() == checkpoint
    caplog.set_level("INFO")
    run.write("data.json", described)  # the data it was begun on is back
    run_once(tmp_path / RUN)
    assert "resumed after 2 epochs" in caplog.text
    assert run.status == "finished"


def test_a_run_begun_on_other_data_starts_anew_if_asked(tmp_path: Path) -> None:
    run = cut_short(tmp_path / RUN)
    spoil_data(run)
    run_once(tmp_path / RUN, "rerun=true")
    assert outcome(run) == outcome(run_once(tmp_path / "again"))


def test_an_interrupted_rerun_is_resumed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with interrupt_at(12), pytest.raises(KeyboardInterrupt):
        run_once(tmp_path / RUN, "rerun=true")
    caplog.set_level("INFO")
    run_once(tmp_path / RUN, "rerun=true")
    assert "resumed after 2 epochs" in caplog.text


def test_a_run_is_resumed_and_tested_in_the_precision_it_was_begun_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run_once(tmp_path / "undisturbed")
    fast = "fovea.training.settings.has_fast_bfloat16"
    monkeypatch.setattr(fast, lambda _: False)
    with interrupt_at(7), pytest.raises(KeyboardInterrupt):
        run_once(tmp_path / RUN, "trainer.precision=auto")
    monkeypatch.setattr(fast, lambda _: True)
    run = run_once(tmp_path / RUN, "trainer.precision=auto")
    assert "trainer.precision=32, as before the interruption" in caplog.text
    assert run.read("environment.json")["resolved"]["precision"] == "32"
    assert outcome(run) == outcome(expected)
    assert evaluate(run).items() <= run.metrics.items()


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_is_resumed_compiled_or_eager_as_it_was_begun(
    begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiled: list[bool] = []
    monkeypatch.setattr(torch, "compile", lambda forward, disable=False, **_: forward)
    monkeypatch.setattr("fovea.training.train.require_compiler", lambda device: None)
    monkeypatch.setattr(CompiledTraining, "on_train_start", lambda *_: compiled.append(True))
    with interrupt_at(12), pytest.raises(KeyboardInterrupt):
        run_once(tmp_path / RUN, f"trainer.compile={begun}")
    caplog.set_level("INFO")
    run = run_once(tmp_path / RUN, f"trainer.compile={not begun}")
    assert f"trainer.compile={str(begun).lower()}, as before the interruption" in caplog.text
    assert compiled == [True, True] * begun
    assert run.read("environment.json")["resolved"]["compile"] is begun


def test_rerun_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut_short(tmp_path / RUN)
    caplog.set_level("INFO")
    run_once(tmp_path / RUN, "rerun=true")
    assert "resumed" not in caplog.text


def test_seconds_are_those_of_every_part(tmp_path: Path) -> None:
    run = cut_short(tmp_path / RUN)
    file = run.checkpoints / "last.ckpt"
    checkpoint = torch.load(file)
    checkpoint["fovea"]["seconds"] += 1000
    torch.save(checkpoint, file)
    assert run_once(tmp_path / RUN).summary["seconds"] > 1000
