"""A network of segmentation trained from a folder: its record, verified, and predicted with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea import cli
from fovea.problems.recorded import predictions_of, verify
from fovea.problems.segmentation.predictions import SegmentationPredictions
from fovea.records import RunFolder


@pytest.fixture(scope="module")
def run(trained: Callable[..., RunFolder], leaves: list[str]) -> RunFolder:
    return trained(
        *leaves,
        "data.objects=leaf",
        "data.border_weight=5",
        "model=unet",
        "model.width=4",
        "model.depth=2",
        "model.norm=batch",
        "loss.dice=1",
        "augment=warp",
        "augment.elastic=1",
        "optimizer.lr=0.02",
        "batch_size=3",
        "epochs=8",
        "trainer.limit_batches=null",
    )


def test_it_learns_and_is_recorded(run: RunFolder) -> None:
    summary = run.summary
    assert summary["monitor"] == "val/miou"
    assert summary["metrics"]["test/miou"] > 0.8
    expected = {"miou", "dice", "pixel_accuracy", "rand_error", "loss"}
    assert {f"test/{name}" for name in expected} <= summary["metrics"].keys()
    assert "train/pixel_accuracy" in summary["metrics"]
    assert summary["per_class_iou"].keys() == {"ground", "leaf"}
    predictions = predictions_of(run)
    assert isinstance(predictions, SegmentationPredictions)
    assert predictions.rows["intersection"].shape == (3, 2)
    assert predictions.rows["target"].sum() == 3 * 32 * 40


def test_its_metrics_follow_from_its_rows(run: RunFolder) -> None:
    assert verify(run) == []


def test_new_images_are_predicted(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, root = run, Path(run.config["data"]["root"])
    monkeypatch.setenv("FOVEA_OUTPUTS", str(record.path.parents[1]))
    image = root / "leaves" / "images" / "0.png"
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", record.id, str(image), str(image), "--out", str(tmp_path)])
    assert not ended.value.code
    heading, row, again = csv.reader((tmp_path / "predictions.csv").read_text().splitlines())
    assert heading == ["image", "ground", "leaf"]
    assert row == again
    assert sorted(each.name for each in (tmp_path / "masks").iterdir()) == ["0-2.png", "0.png"]
    assert (tmp_path / "predictions.png").is_file()
    leaf = (np.asarray(Image.open(root / "leaves" / "masks" / "0.png")) == 1).mean()
    assert float(row[2]) == pytest.approx(leaf, abs=0.1)
    with Image.open(tmp_path / "masks" / "0.png") as mask:
        assert mask.mode == "P"
        assert (np.asarray(mask) == 1).mean() == pytest.approx(float(row[2]), abs=1e-6)
        assert mask.convert("RGB").getpixel((0, 0)) == (0, 0, 0)
    kept = json.loads((tmp_path / "predictions.json").read_text())["predictions"][0]
    assert kept["shares"]["leaf"] == pytest.approx(float(row[2]), abs=1e-6)
