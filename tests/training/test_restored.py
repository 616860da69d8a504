"""What a run sets for its process, and what is left of it afterwards."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fovea.problems.classification.task import Classification
from fovea.records import RunFolder


def process() -> dict[str, object]:
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "type": torch.get_default_dtype(),
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.exit, sys.excepthook),
        "log": (logging.root.level, list(logging.root.handlers)),
        "libraries": logging.getLogger("pytorch_lightning").level,
        "variables": {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KMP_", "WANDB_", "PYTEST_"))  # set at an import, not by a run
        },
        "folder": Path.cwd(),
    }


SETTINGS = ("trainer.threads=2", "trainer.deterministic=true", "tracking=wandb")


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_leaves_its_process_as_it_was(
    fails: bool, trained: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    within: list[tuple[int, bool, bool]] = []
    original = Classification.training_loss

    def observed(self: Classification, batch: Any) -> tuple[Tensor, int]:
        deterministic = torch.are_deterministic_algorithms_enabled()
        within.append((torch.get_num_threads(), deterministic, "PL_GLOBAL_SEED" in os.environ))
        if fails and len(within) == 2:
            raise ValueError("no loss")
        return original(self, batch)

    monkeypatch.setattr(Classification, "training_loss", observed)
    before = process()
    if fails:
        with pytest.raises(ValueError, match="no loss"):
            trained(*SETTINGS)
    else:
        trained(*SETTINGS)
    assert set(within) == {(2, True, True)}
    assert process() == before
