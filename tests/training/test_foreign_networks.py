"""Networks that know nothing of fovea: torchvision's, and modules that take what they like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fovea.config.build import arguments
from fovea.config.errors import ConfigError
from fovea.models.cost import count_macs
from fovea.records import RunFolder
from fovea.training.assemble import build_model, restore
from fovea.training.evaluate import evaluate
from fovea.training.predict import predict

Training = Callable[..., RunFolder]
RESNET18 = {"_target_": "torchvision.models.resnet18", "num_classes": "auto"}
GOOGLENET = {
    "_target_": "torchvision.models.googlenet", "num_classes": "auto", "init_weights": False
}  # fmt: skip
OFFERS = {"num_classes": 3, "in_channels": 3, "image_size": 8}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour pictures of 16 pixels, in folders of two classes."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        folder = root / name
        folder.mkdir()
        for index in range(20):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


def test_a_builder_of_torchvision_is_trained_tested_and_restored(
    trained: Training, pictures: Path
) -> None:
    run = trained(
        "data=image_folder", f"data.source.folder={pictures}", "data.image_size=16", model=RESNET18
    )
    assert run.summary["parameters"] == 11_176_512 + 512 * 2 + 2
    assert run.summary["macs"] > 0
    assert evaluate(run).items() <= run.metrics.items()
    assert restore(run)(torch.zeros(1, 3, 16, 16)).shape == (1, 2)


def test_auxiliary_outputs_of_a_torchvision_network_are_trained_and_only_that(
    trained: Training, pictures: Path
) -> None:
    run = trained(
        "data=image_folder", f"data.source.folder={pictures}", "data.image_size=32",
        "trainer.limit_batches=2", "batch_size=8", model=GOOGLENET,
    )  # fmt: skip
    (row,) = run.history()
    auxiliary = row["train/loss_aux_logits1"], row["train/loss_aux_logits2"]
    assert all(0.1 < loss < 10 for loss in auxiliary)
    assert row["train/loss"] > 0.3 * sum(auxiliary)
    assert evaluate(run).items() <= run.metrics.items()
    probabilities = predict(run, [str(pictures / "cat")]).predictions.rows["probabilities"]
    assert probabilities.shape == (20, 2)


def test_a_network_that_cannot_take_the_data_is_one_line(trained: Training) -> None:
    reason = r"ResNet cannot take the data, of \(1, 1, 8, 8\): RuntimeError: .* 3 channels"
    with pytest.raises(ConfigError, match=reason):
        trained(model=RESNET18)


def test_only_what_a_network_has_an_argument_for_is_passed() -> None:
    node = {"_target_": "torch.nn.Identity", "num_classes": "auto"}  # takes any argument
    assert arguments("model", node, ["num_classes"]) == {"num_classes"}
    assert build_model(node, OFFERS)[1] == {"num_classes": 3}
    flatten = {"_target_": "torch.nn.Flatten", "num_classes": "auto", "in_channels": "auto"}
    assert build_model(flatten, OFFERS)[1] == {}
    assert build_model({"_target_": "fovea.models.mlp.MLP"}, OFFERS)[1] == OFFERS


def test_a_network_that_looks_at_its_values_is_counted() -> None:
    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, given: Tensor) -> Tensor:
            kept: Any = given[(given > -1).all(1)]
            return self.linear(kept)

    assert count_macs(Sparse(), torch.empty(1, 4, device="meta")) == 8
