"""Short training runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

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
