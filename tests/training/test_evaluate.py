"""A run measured again: by its test, and by its probe."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from fovea.config.identity import relocated, scientific
from fovea.problems.classification.probes import Shift
from fovea.records import RunFolder
from fovea.sweep.launch import train_run
from fovea.sweep.plan import plan_command
from fovea.sweep.state import States
from fovea.training.assemble import assemble, restore
from fovea.training.evaluate import evaluate
from fovea.training.predict import predict

Training = Callable[..., RunFolder]

WHOLE = ("trainer.limit_batches=null", "batch_size=64")


def accuracy(run: RunFolder, shift: Shift) -> float:
    """Return the test accuracy of a run's weights on shifted images, in plain PyTorch."""
    model, data = restore(run), assemble(run.config).data
    with torch.inference_mode():
        right = [
            (model(images).argmax(dim=1) == labels)
            for images, labels in data.changed_loader("test", shift)
        ]
    return torch.cat(right).double().mean().item()


@pytest.fixture(scope="module")
def plain(trained: Training) -> RunFolder:
    return trained(*WHOLE, "epochs=2")


@pytest.fixture(scope="module")
def shifted(trained: Training) -> RunFolder:
    return trained(*WHOLE, "epochs=2", "probe=shifts", "probe.largest=2")


def test_a_record_of_a_launcher_that_is_gone_is_read(plain: RunFolder, tmp_path: Path) -> None:
    old = RunFolder(Path(shutil.copytree(plain.path, tmp_path / plain.id)))
    config = plain.config | {"launcher": {"_target_": "fovea.launchers.Auto", "workers": "auto"}}
    (old.path / "config.yaml").write_text(yaml.safe_dump(config))
    choices = old.summary["choices"] | {"launcher": "auto"}
    identity = scientific(plain.config, plain.summary["choices"])
    assert scientific(relocated(old.config, choices), choices) == identity
    assert evaluate(old).items() <= plain.metrics.items()


def test_shifts_add_to_the_metrics_and_change_none(plain: RunFolder, shifted: RunFolder) -> None:
    added = shifted.metrics.keys() - plain.metrics.keys()
    assert added == {"test/accuracy_shift_1", "test/accuracy_shift_2"}
    assert plain.metrics.items() <= shifted.metrics.items()
    assert shifted.predictions.read_bytes() == plain.predictions.read_bytes()


@pytest.mark.parametrize("d", [1, 2])
def test_shifts_are_those_of_the_tested_weights(shifted: RunFolder, d: int) -> None:
    shifts = (Shift(-d, 0), Shift(d, 0), Shift(0, -d), Shift(0, d))
    expected = sum(accuracy(shifted, shift) for shift in shifts) / 4
    assert shifted.metrics[f"test/accuracy_shift_{d}"] == pytest.approx(expected, abs=1e-6)
    assert accuracy(shifted, Shift(0, 0)) == pytest.approx(
        shifted.metrics["test/accuracy"], abs=1e-6
    )


def test_a_finished_run_is_measured_by_a_new_probe(
    outputs: Path, shifted: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [
        "epochs=2",
        "batch_size=64",
        "model.hidden_sizes=[32]",
        "model.dropout=0",
        "tracking=csv",
    ]
    cpu = ["trainer.accelerator=cpu", "trainer.precision=32"]
    (run,) = plan_command([*small, *cpu])
    train_run(run)
    before = run.folder.metrics
    (probed,) = plan_command([*small, *cpu, "probe=shifts", "probe.largest=2"])
    assert probed.id == run.id
    assert States([probed]).of(probed).kind == "unmeasured"
    capsys.readouterr()
    train_run(probed)
    assert capsys.readouterr().out.startswith(f"{run.id}  mlp-digits-0")
    assert before.items() < run.folder.metrics.items()
    assert run.folder.metrics == shifted.metrics
    assert States([probed]).of(probed).kind == "done"
    (larger,) = plan_command([*small, *cpu, "probe=shifts", "probe.largest=1"])
    assert States([larger]).of(larger).kind == "unmeasured"
    (run.folder.checkpoints / f"{run.folder.summary['selected']}.ckpt").unlink()
    assert States([larger]).of(larger).kind == "done"  # nothing is left to measure
    assert train_run(larger) is None


@pytest.mark.parametrize(("precision", "apart"), [("64", 0.0), ("bf16-mixed", 0.05)])
def test_every_command_works_in_the_precision_of_the_training(
    trained: Training, tmp_path: Path, precision: str, apart: float
) -> None:
    small = ("model=simple_cnn", "model.image_size=8", "model.in_channels=1")
    run = trained(*small, f"trainer.precision={precision}")
    assert run.summary["macs"] > 0
    assert evaluate(run).items() <= run.metrics.items()
    files = [tmp_path / f"{index}.png" for index in range(8)]
    for file, picture in zip(files, assemble(run.config).data.pictures(range(8)), strict=True):
        Image.fromarray(picture[:, :, 0]).save(file)
    predicted = predict(run, [str(file) for file in files])
    assert predicted.pictures[0].shape == (8, 8, 1)
    shares = predicted.predictions.rows["probabilities"]
    tested = np.stack(pd.read_parquet(run.predictions)["probabilities"][:8].to_list())
    np.testing.assert_allclose(shares, tested, atol=apart, rtol=1e-6)


def test_a_probe_is_measured_again_with_the_test(shifted: RunFolder) -> None:
    measured = evaluate(shifted)
    assert measured.items() <= shifted.metrics.items()
    assert "test/accuracy_shift_2" in measured


def test_the_training_part_is_measured_by_the_tested_weights(trained: Training) -> None:
    run = trained(*WHOLE, "probe=train", "augment=flip_crop", "data.val_fraction=0")
    model, data = restore(run), assemble(run.config).data
    with torch.inference_mode():
        right = [model(images).argmax(dim=1) == labels for images, labels in data.loader("train")]
    share = torch.cat(right).double().mean().item()
    assert len(torch.cat(right)) == 1437
    assert run.metrics["train_eval/accuracy"] == pytest.approx(share, abs=1e-6)
    assert run.metrics["train_eval/loss"] != run.metrics["train/loss"]
