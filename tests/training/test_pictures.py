"""Runs on a folder of pictures: what is said of them, recorded, and held against later."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fovea.config.compose import compose_run
from fovea.config.errors import DataError
from fovea.problems.classification.predictions import ClassPredictions
from fovea.records import RunFolder
from fovea.training.evaluate import evaluate
from fovea.training.predict import predict
from fovea.training.train import _show, train

NOTES = ["pets: 20 files used", "train 14: ant 7, bee 7", "test 6: ant 3, bee 3"]
COPIES = "2 of 6 test images are copies of training images"
BITS = "the 16-bit images use 12 bits (highest value 4095 of 65535): scaled so that 4095 is white"


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root of dark and bright pictures of 12 bits, two of them in both parts."""
    root = tmp_path_factory.mktemp("data")
    noise = np.random.default_rng(0)
    for part, count in (("Training", 7), ("Testing", 3)):
        for label, name in enumerate(("ant", "bee")):
            folder = root / "pets" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(2000 * label, 2000 * label + 1500, (8, 8))
                pixels[0, 0] = 4095
                Image.fromarray(pixels.astype(np.uint16)).save(folder / f"{number}.png")
    for name in ("ant", "bee"):
        shutil.copy(root / "pets/Training" / name / "0.png", root / "pets/Testing" / name)
    return root


def overrides(root: Path) -> list[str]:
    return [
        "data=image_folder", "data.source.folder=pets", f"data.root={root}", "data.image_size=8",
        "data.val_fraction=0", "model=mlp", "model.hidden_sizes=[8]", "batch_size=2", "epochs=4",
        "trainer.accelerator=cpu", "trainer.precision=32", "tracking=csv", "optimizer.lr=0.01",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = RunFolder(tmp_path_factory.mktemp("runs") / "0123456789ab")
    train(compose_run(overrides(pets)), run, {"model": "mlp", "data": "image_folder"})
    return run


def test_what_was_found_is_recorded(recorded: RunFolder) -> None:
    data = recorded.read("data.json")
    assert data["notes"] == [*NOTES, COPIES, BITS]
    assert data["served"]["bits"] == 12
    assert data["copies"] == {
        "within": {"train": 0, "test": 0}, "of_training": {"test": 2}, "ambiguous": 0
    }  # fmt: skip
    assert recorded.summary["protocol"] == [COPIES]
    assert recorded.metrics["test/accuracy"] == 1.0  # where the upper 8 bits would be black


def test_the_terminal_shows_it_once(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _show.cache_clear()
    for name in ("one", "two"):
        config = compose_run([*overrides(pets), "epochs=1"])
        train(config, RunFolder(tmp_path / name), {"model": "mlp", "data": "image_folder"})
    expected = [*NOTES, f"warning: {COPIES}", f"warning: {BITS}"]
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line in expected] == expected


def test_new_pictures_are_scaled_as_those_of_the_training_were(
    recorded: RunFolder, pets: Path
) -> None:
    files = sorted(map(str, (pets / "pets" / "Testing").rglob("*.png")))
    predicted = predict(recorded, files)
    assert predicted.names == files
    predictions = predicted.predictions
    assert isinstance(predictions, ClassPredictions)
    assert predictions.classes == ["ant", "bee"]
    tested = np.stack(pd.read_parquet(recorded.predictions)["probabilities"].tolist())
    np.testing.assert_allclose(predictions.rows["probabilities"], tested, atol=1e-6)


def test_renamed_classes_are_other_data(recorded: RunFolder, pets: Path, tmp_path: Path) -> None:
    assert evaluate(recorded)["test/accuracy"] == 1.0
    shutil.copytree(pets, tmp_path, dirs_exist_ok=True)
    for part in ("Training", "Testing"):
        (tmp_path / "pets" / part / "bee").rename(tmp_path / "pets" / part / "wasp")
    with pytest.raises(DataError, match=r"its classes were … bee and are … wasp"):
        evaluate(recorded, data_root=str(tmp_path))
