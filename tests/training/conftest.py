"""Short training runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.config.compose import compose_run
from fovea.records import RunFolder
from fovea.training.train import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Train a small network on digits, one batch after the other, and return its record.

    The overrides come after those that make it small. Keyword arguments replace whole nodes of the
    composed config. Nothing random but the initial weights and the order of the images is left.
    """

    def run(*overrides: str, **nodes: Mapping[str, Any]) -> RunFolder:
        small = ["epochs=1", "batch_size=16", "model.hidden_sizes=[32]", "model.dropout=0"]
        cpu = ["trainer.accelerator=cpu", "trainer.precision=32"]
        quick = ["trainer.limit_batches=3", "tracking=csv"]
        own_model = any(item.startswith("model=") for item in overrides)
        config = (
            compose_run([*(small[:2] if own_model else small), *cpu, *quick, *overrides]) | nodes
        )
        folder = RunFolder(tmp_path_factory.mktemp("outputs") / "runs" / "0123456789ab")
        train(config, folder, {"model": "mlp", "data": "digits"})
        return folder

    return run


@pytest.fixture(scope="session")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Draw bright leaves on dark ground with their masks; return the overrides that train on them.

    14 images of 40×32, and masks in two colours of a palette.
    """
    root = tmp_path_factory.mktemp("data")
    numbers = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / "leaves" / kind).mkdir(parents=True)
    for index in range(14):
        mask = np.zeros((32, 40), np.uint8)
        top, left = numbers.integers(1, 15, 2)
        mask[top : top + 13, left : left + 16] = 1
        image = 60 + 120 * mask + numbers.integers(40, size=mask.shape, dtype=np.uint8)
        Image.fromarray(image).save(root / "leaves" / "images" / f"{index}.png")
        coded = Image.fromarray(mask).convert("P")
        coded.putpalette([0, 0, 0, 0, 200, 0])
        coded.save(root / "leaves" / "masks" / f"{index}.png")
    return [
        "data=mask_folder",
        f"data.root={root}",
        "data.source.folder=leaves",
        "data.source.channels=1",
        'data.source.classes={ground: "#000000", leaf: "#00c800"}',
        "task=segmentation",
        "loss=segmentation",
    ]
