"""Whole runs: their numbers, their records, and what is left of runs that fail."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError, DataError, RecordError
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder
from fovea.training.assemble import assemble, load_checkpoint, restore
from fovea.training.evaluate import evaluate
from fovea.training.tracking.environment import hardware_class

Training = Callable[..., RunFolder]

PLAIN_SGD = ("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false")


def weights(run: RunFolder, which: str = "last") -> Tensor:
    """All weights of a checkpoint as one vector."""
    state = load_checkpoint(run, which)["state_dict"]
    return torch.cat([value.flatten().double() for value in state.values()])


def predictions(run: RunFolder) -> pd.DataFrame:
    return pd.read_parquet(run.predictions)


def probabilities(run: RunFolder) -> np.ndarray:
    return np.stack(predictions(run)["probabilities"].tolist())


RANDOM = ("model.dropout=0.5", "augment=flip_crop", "augment.padding=1")


def test_one_seed_gives_the_same_bits(trained: Training) -> None:
    first, second = trained(*RANDOM, "seed=7"), trained(*RANDOM, "seed=7")
    assert weights(first).equal(weights(second))
    assert first.predictions.read_bytes() == second.predictions.read_bytes()
    assert first.metrics == second.metrics


def test_another_seed_gives_another_network(trained: Training) -> None:
    first, second = trained(*RANDOM, "seed=7"), trained(*RANDOM, "seed=8")
    assert not weights(first).equal(weights(second))
    assert first.read("data.json") == second.read("data.json")  # and sees the same data


@pytest.fixture(scope="module")
def recorded(trained: Training) -> RunFolder:
    return trained("epochs=3", "trainer.limit_batches=null", "batch_size=64")


def test_a_record_is_complete(recorded: RunFolder) -> None:
    names = {str(path.relative_to(recorded.path)) for path in recorded.path.rglob("*.*")}
    assert names - {"uncommitted.diff"} == {
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "config.yaml",
        "confusion.png",
        "loggers/tracking/hparams.yaml",
        "loggers/tracking/metrics.csv",
        "curves.png",
        "data.json",
        "environment.json",
        "history.csv",
        "predictions.parquet",
        "summary.json",
        "train.log",
    }
    for picture in ("confusion.png", "curves.png"):
        assert (recorded.path / picture).read_bytes().startswith(b"\x89PNG")
    config = yaml.safe_load((recorded.path / "config.yaml").read_text())
    assert (config["epochs"], config["optimizer"]["lr"]) == (3, 0.001)
    environment = recorded.read("environment.json")
    assert environment["packages"]["torch"] == version("torch")
    assert environment["resolved"] == {
        "precision": "32",
        "strategy": "auto",
        "compile": False,
        "hardware": hardware_class("cpu"),
    }
    data = recorded.read("data.json")
    assert data["sizes"] == {"train": 1293, "val": 144, "test": 360}
    assert data["classes"] == list("0123456789")
    assert len(data["fingerprint"]) == 64


def test_history_has_a_row_for_each_epoch(recorded: RunFolder) -> None:
    rows = recorded.history()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == [21, 42, 63]
    parts = {f"{part}/{name}" for part in ("train", "val") for name in ("loss", "accuracy")}
    validation = {"val/macro_f1", "val/top5_accuracy"}
    speed = {"seconds", "samples_per_second"}
    for row in rows:
        assert row.keys() == {"epoch", "step", "lr"} | parts | validation | speed
        assert row["lr"] == pytest.approx(0.001)
        assert row["seconds"] * row["samples_per_second"] == pytest.approx(1293, rel=1e-4)
    assert rows[2]["train/loss"] < rows[1]["train/loss"] < rows[0]["train/loss"]


def test_summary(recorded: RunFolder) -> None:
    summary = recorded.summary
    assert json.loads((recorded.path / "summary.json").read_text()) == summary
    assert summary["status"] == "finished"
    assert summary["name"] == "mlp-digits-0"
    assert (summary["epochs"], summary["steps"], summary["seed"]) == (3, 63, 0)
    assert summary["parameters"] == 64 * 32 + 32 + 32 * 10 + 10
    assert summary["macs"] == 64 * 32 + 32 * 10
    assert summary["diverged"] is False
    assert summary["protocol"] == []
    assert summary["skipped"] == 0
    assert 0 < summary["seconds"] < 60
    assert summary["startup_seconds"] > 0
    assert summary["peak_memory_mib"] > 100
    speeds = sorted(row["samples_per_second"] for row in recorded.history())
    assert summary["samples_per_second"] == pytest.approx(speeds[1], abs=0.1)


def test_every_test_metric_can_be_recomputed_from_the_predictions(recorded: RunFolder) -> None:
    table = predictions(recorded)
    assert table["index"].tolist() == list(range(360))
    shares = probabilities(recorded)
    assert shares.sum(axis=1) == pytest.approx(np.ones(360), abs=1e-5)
    assert (shares.argmax(axis=1) == table["prediction"]).all()
    right = table["label"] == table["prediction"]
    assert recorded.metrics["test/accuracy"] == np.float32(right.mean())
    losses = -np.log(shares[np.arange(360), table["label"]])
    assert recorded.metrics["test/loss"] == pytest.approx(losses.mean(), rel=1e-4)
    by_class = right.groupby(table["label"]).mean()
    assert list(recorded.summary["per_class_accuracy"].values()) == pytest.approx(
        by_class.tolist(), abs=1e-6
    )


@pytest.mark.parametrize("which", ["best", "last"])
def test_evaluating_a_record_gives_its_metrics(recorded: RunFolder, which: str) -> None:
    metrics = evaluate(recorded, weights=which)
    assert metrics.keys() == {key for key in recorded.metrics if key.startswith("test/")}
    if which == recorded.summary["selected"]:
        assert metrics.items() <= recorded.metrics.items()
    assert evaluate(recorded, weights=which, data_root="elsewhere") == metrics


def test_a_restored_network_says_what_was_predicted(recorded: RunFolder) -> None:
    model = restore(recorded)
    assert not model.training
    lab = assemble(recorded.config)
    with torch.inference_mode():
        outputs = [model(images).softmax(dim=1) for images, _ in lab.data.test_dataloader()]
    np.testing.assert_array_equal(torch.cat(outputs).numpy(), probabilities(recorded))


def test_a_record_of_other_data_is_refused(trained: Training) -> None:
    run = trained()
    run.write("data.json", run.read("data.json") | {"fingerprint": "0" * 64})
    with pytest.raises(DataError, match=f"differs from what run {run.id} was trained with"):
        evaluate(run)


def test_missing_and_damaged_weights_are_told(trained: Training) -> None:
    run = trained()
    (run.checkpoints / "best.ckpt").unlink()
    with pytest.raises(RecordError, match=r"best\.ckpt: no such checkpoint"):
        restore(run, "best")
    last = run.checkpoints / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(RecordError, match=r"last\.ckpt: damaged"):
        restore(run, "last")


def test_averaged_weights_follow_their_recurrence(trained: Training) -> None:
    averaged = trained("trainer.ema_decay=0.75", "optimizer.lr=0.01")
    first, second, third = (
        weights(trained(f"trainer.limit_batches={steps}", "optimizer.lr=0.01"))
        for steps in (1, 2, 3)
    )
    expected = 0.75 * (0.75 * first + 0.25 * second) + 0.25 * third
    assert (expected - third).abs().max() > 1e-3
    torch.testing.assert_close(weights(averaged), expected, rtol=0, atol=1e-6)
    assert evaluate(averaged).items() <= averaged.metrics.items()  # those were tested


def test_training_stops_when_patience_is_out(trained: Training) -> None:
    run = trained("epochs=9", "trainer.patience=2", "optimizer.lr=1e-12")
    assert run.summary["epochs"] == len(run.history()) == 3


def stop(accuracy: float) -> str:
    return f"trainer.stop={{metric: train/accuracy, value: {accuracy!r}}}"


def test_training_stops_once_its_target_is_reached(trained: Training) -> None:
    epoch = ("trainer.limit_batches=null", "optimizer.lr=0.01")
    accuracies = [row["train/accuracy"] for row in trained("epochs=4", *epoch).history()]
    assert accuracies == sorted(set(accuracies))
    exactly = trained("epochs=4", *epoch, stop(accuracies[1]))
    assert (exactly.summary["epochs"], exactly.summary["target_reached"]) == (2, True)
    above = (accuracies[2] + accuracies[1]) / 2
    assert trained("epochs=4", *epoch, stop(above)).summary["epochs"] == 3
    never = trained("epochs=2", *epoch, stop(1)).summary
    assert (never["epochs"], never["target_reached"]) == (2, False)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("trainer.monitor=val/f2", "trainer.monitor"),
        ("trainer.stop={metric: val/f2, value: 1}", "trainer.stop"),
        ("trainer.stop={metric: train/f2, value: 1}", "trainer.stop"),
    ],
)
def test_a_metric_that_is_not_measured_is_one_line(
    override: str, key: str, trained: Training
) -> None:
    with pytest.raises(ConfigError, match=rf"{key}: '\w+/f2' is not measured .*val/accuracy"):
        trained(override)


def test_a_second_set_of_checkpoints_is_refused() -> None:
    checkpoint = {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint"}
    config = compose_run(["model=mlp", "data=digits"])
    with pytest.raises(ConfigError, match="callbacks: fovea saves"):
        assemble({**config, "callbacks": [checkpoint]})


def test_no_epochs_count_a_network_and_read_no_image(trained: Training) -> None:
    run = trained("epochs=0", "model=mlp", "model.in_channels=3", "model.image_size=32")
    summary = run.summary
    assert summary["status"] == "finished"
    assert summary["parameters"] == 3072 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10
    assert summary["macs"] == 3072 * 512 + 512 * 512 + 512 * 10
    assert (summary["epochs"], run.metrics, run.history()) == (0, {}, [])
    names = {path.name for path in run.path.iterdir()}
    files = {"config.yaml", "environment.json", "summary.json", "train.log"}
    assert names - {"uncommitted.diff"} == files


def test_the_gradient_is_clipped_to_its_norm(trained: Training) -> None:
    one_step = (*PLAIN_SGD, "optimizer.weight_decay=0", "optimizer.lr=1", "trainer.limit_batches=1")
    short = weights(trained(*one_step, "trainer.gradient_clip=0.01"))
    long = weights(trained(*one_step, "trainer.gradient_clip=0.04"))
    assert (long - short).norm().item() == pytest.approx(0.03, rel=1e-3)


def test_accumulated_batches_are_one_large_batch(trained: Training) -> None:
    halves = trained(*PLAIN_SGD, "trainer.accumulate=2", "trainer.limit_batches=4")
    whole = trained(*PLAIN_SGD, "batch_size=32", "trainer.limit_batches=2")
    assert halves.summary["steps"] == whole.summary["steps"] == 2
    torch.testing.assert_close(weights(halves), weights(whole), rtol=0, atol=1e-6)


def test_a_short_last_group_is_the_mean_of_its_own_batches(trained: Training) -> None:
    plain = (*PLAIN_SGD, "optimizer.weight_decay=0", "trainer.limit_batches=1")
    alone, short = trained(*plain), trained(*plain, "trainer.accumulate=4")
    torch.testing.assert_close(weights(short), weights(alone), rtol=0, atol=1e-7)


def test_the_history_has_the_learning_rate_of_the_last_step(trained: Training) -> None:
    run = trained("epochs=2", "optimizer.lr=1", "schedule=step", "schedule.every=1")
    assert [row["lr"] for row in run.history()] == pytest.approx([1, 0.1])
    cycle = trained("epochs=2", "optimizer.lr=1", "schedule=one_cycle", "schedule.final=0.25")
    assert cycle.history()[-1]["lr"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("select", "selected", "epoch"), [("auto", "best", 1), ("last", "last", 3)]
)
def test_selected_epoch(trained: Training, select: str, selected: str, epoch: int) -> None:
    # Hardly learning, every epoch is as accurate as the first one, which thus is the best.
    run = trained("epochs=3", "optimizer.lr=1e-7", f"select={select}")
    assert (run.summary["selected"], run.summary["best_epoch"]) == (selected, epoch)
    assert run.metrics["val/loss"] == run.history()[epoch - 1]["val/loss"]
    assert load_checkpoint(run)["global_step"] == 3 * epoch
    assert evaluate(run, weights=selected)["test/loss"] == run.metrics["test/loss"]
    assert not weights(run, "best").equal(weights(run, "last"))


@pytest.mark.parametrize(
    ("select", "selected", "patience", "told"),
    [
        ("auto", "last", "null", ["validated on the test part"]),
        (
            "best",
            "best",
            "2",
            [
                "validated on the test part",
                "best epoch chosen on the test part",
                "stopped early by the test part",
            ],
        ),
    ],
)
def test_validating_on_test_is_a_protocol_difference(
    trained: Training, select: str, selected: str, patience: str, told: list[str]
) -> None:
    choice = (f"select={select}", f"trainer.patience={patience}")
    run = trained("data.validate_on=test", "trainer.limit_batches=null", *choice)
    assert run.summary["selected"] == selected
    assert run.summary["protocol"] == told
    assert run.metrics["val/loss"] == pytest.approx(run.metrics["test/loss"])


def test_a_run_without_validation(trained: Training) -> None:
    run = trained("data.val_fraction=0")
    assert run.summary["selected"] == "last"
    assert not (run.checkpoints / "best.ckpt").exists()
    assert not any(key.startswith("val/") for key in run.metrics)
    assert run.summary["protocol"] == ["only 3 batches of each part"]


def test_outputs_beyond_the_classes(trained: Training) -> None:
    run = trained("model.num_classes=12")
    assert probabilities(run).shape == (48, 12)
    assert list(run.summary["per_class_accuracy"]) == list("0123456789")


def test_bfloat16_trains_as_float32_does(trained: Training) -> None:
    epoch = ("trainer.limit_batches=null", "batch_size=64")
    exact = trained(*epoch).metrics["train/loss"]
    mixed = trained(*epoch, "trainer.precision=bf16-mixed").metrics["train/loss"]
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.01)


def test_the_fast_path_trains_as_the_plain_one_does(trained: Training) -> None:
    """bfloat16 and channels_last beside float32 and NCHW: the same recipe, batch for batch."""
    epoch = ("model=resnet", "model.depth=8", "trainer.limit_batches=null", "batch_size=64")
    plain = trained(*epoch, "trainer.channels_last=false").history()[-1]
    layout = trained(*epoch).history()[-1]
    fast = trained(*epoch, "trainer.precision=bf16-mixed").history()[-1]
    for key in ("train/loss", "val/loss"):
        assert layout[key] == pytest.approx(plain[key], rel=1e-4)
        assert fast[key] == pytest.approx(plain[key], rel=0.02)
        assert fast[key] != plain[key]


def test_a_diverged_run_stops_and_says_so(trained: Training) -> None:
    run = trained(*PLAIN_SGD, "epochs=5", "optimizer.lr=1e30")
    assert run.summary["diverged"] is True
    assert run.summary["epochs"] == 1
    assert run.status == "finished"


def test_an_ignored_interrupt_stays_ignored(
    trained: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker gets SIGTERM from its parent: a terminal's SIGINT before it would make it the second
    signal, which is raised wherever the run stands."""
    handlers: list[Any] = []
    loss_of = Classification.training_loss

    def watched(task: Classification, batch: Any) -> Any:
        handlers.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))
        return loss_of(task, batch)

    monkeypatch.setattr(Classification, "training_loss", watched)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        trained()
    finally:
        signal.signal(signal.SIGINT, before)
    assert {interrupt for interrupt, _ in handlers} == {signal.SIG_IGN}
    assert all(callable(terminate) for _, terminate in handlers)


def test_threads(trained: Training) -> None:
    assert trained("trainer.threads=1").read("environment.json")["threads"] == 1


def test_a_callback_by_config_hears_of_every_step(
    trained: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "listening_callbacks"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from pytorch_lightning import Callback\n\n\n"
        "class Steps(Callback):\n"
        "    seen = []\n\n"
        "    def on_train_batch_end(self, trainer, *_):\n"
        "        self.seen.append(trainer.global_step)\n\n\n"
        "class Epochs(Callback):\n"
        "    def on_train_epoch_end(self, trainer, pl_module):\n"
        "        Steps.seen.append(-trainer.current_epoch)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEA_TRUST", package.name)
    both = [{"_target_": f"{package.name}.{name}"} for name in ("Steps", "Epochs")]
    quiet = trained("trainer.limit_batches=5")
    run = trained("trainer.limit_batches=5", callbacks=both)
    from listening_callbacks import Steps  # pyright: ignore[reportMissingImports]

    assert Steps.seen == [1, 2, 3, 4, 5, 0]
    assert weights(run).equal(weights(quiet))
    late = trained("trainer.limit_batches=5", callbacks=both[1:])
    assert Steps.seen[6:] == [0]
    assert weights(late).equal(weights(quiet))


def test_predictions_name_their_samples(recorded: RunFolder) -> None:
    samples = predictions(recorded)["sample"]
    assert samples.is_unique
    assert re.fullmatch("test 0 [0-9a-f]{12}", samples[0])
