"""Runs on images that are not square: trained, tested, restored, and new images predicted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fovea.models.cost import count_macs
from fovea.models.simple_cnn import SimpleCNN
from fovea.records import RunFolder
from fovea.training.assemble import restore
from fovea.training.evaluate import evaluate
from fovea.training.predict import predict

Training = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of 12 × 20 pixels, dark ones and light ones, but for one that is larger."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (root / name).mkdir()
        for index in range(20):
            size = (24, 24) if index == 7 else (12, 20)
            pixels = 128 * label + random.integers(0, 128, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index}.png")
    return root


@pytest.mark.parametrize(
    ("model", "augment"),
    [("simple_cnn", "flip_crop"), ("lenet5", "geometric"), ("mlp", "none"), ("resnet", "none")],
)
def test_a_run_on_images_that_are_not_square(
    trained: Training, pictures: Path, model: str, augment: str
) -> None:
    run = trained(
        "data=image_folder", f"data.source.folder={pictures}", "data.image_size=[16,20]",
        f"model={model}", "model.image_size=auto", "batch_size=8", f"augment={augment}",
        *(["model.depth=8"] if model == "resnet" else []),
    )  # fmt: skip
    described = run.read("data.json")
    assert described["image_size"] == described["served"]["image_size"] == [16, 20]
    assert evaluate(run).items() <= run.metrics.items()
    channels = described["served"]["channels"]
    images = torch.empty(1, channels, 16, 20, device="meta")
    assert run.summary["macs"] == count_macs(restore(run), images) > 0
    predicted = predict(run, [str(pictures / "light")])
    assert [picture.shape for picture in predicted.pictures] == [(16, 20, channels)] * 20


def test_a_network_of_another_size_has_the_images_fitted(trained: Training, pictures: Path) -> None:
    run = trained(
        "data=image_folder", f"data.source.folder={pictures}", "data.image_size=[16,20]",
        "model=simple_cnn", "model.image_size=[8,24]", "batch_size=8", "epochs=0",
    )  # fmt: skip
    expected = SimpleCNN(num_classes=2, image_size=[8, 24])
    images = torch.empty(1, 3, 8, 24, device="meta")
    assert run.summary["macs"] == count_macs(expected, images)
