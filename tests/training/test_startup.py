"""What a run waits for before its first optimizer step, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

# Two runs; when the first has made its first step, and starts its tracker, modules are listed.
SCRIPT = """
import json, sys
from pathlib import Path
from unittest import mock
import torch
from torchmetrics.detection import IntersectionOverUnion
from fovea.config.compose import compose_run
from fovea.records import RunFolder
from fovea.training.train import train
from fovea.training.tracking.environment import process_seconds
from fovea.training.tracking.trackers import LoggerTracker

modules = []
start = LoggerTracker.start

def tell(tracker, info):
    modules.append(sorted(sys.modules))
    return start(tracker, info)

overrides = ["data=mnist", "epochs=1", "model.hidden_sizes=[8]", "trainer.accelerator=cpu"]
config = compose_run([*overrides, "tracking=csv"])
age = process_seconds()
with mock.patch.object(LoggerTracker, "start", tell):
    for name in ("first", "second"):
        train(config, RunFolder(Path(sys.argv[1]) / name), {"model": "mlp", "data": "mnist"})

def boxes(*corners):
    return [{"boxes": torch.tensor([corners]), "labels": torch.zeros(1), "scores": torch.ones(1)}]

overlap = IntersectionOverUnion()(boxes(0.0, 0, 2, 2), boxes(0.0, 0, 2, 1))["iou"]
print(json.dumps({"age": age, "modules": modules[0], "overlap": overlap.item()}))
"""


@dataclass(frozen=True)
class Started:
    age: float  # of the process, before its first run
    modules: set[str]
    overlap: float  # of two boxes, by a metric of torchmetrics that needs torchvision
    first: dict[str, Any]
    second: dict[str, Any]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Started:
    home = tmp_path_factory.mktemp("startup")
    for part, count in (("train", 400), ("t10k", 100)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = np.broadcast_to(labels[:, None, None], (count, 28, 28))
        for kind, values in (("labels-idx1", labels), ("images-idx3", pixels)):
            header = np.array([0x800 + values.ndim, *values.shape], dtype=">i4")
            file = home / "mnist" / f"{part}-{kind}-ubyte"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(header.tobytes() + values.tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_DATA", str(home))
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, home], capture_output=True, text=True, check=True
        )
    told = json.loads(done.stdout.splitlines()[-1])
    runs = [json.loads((home / run / "summary.json").read_text()) for run in ("first", "second")]
    return Started(told["age"], set(told["modules"]), told["overlap"], *runs)


def test_the_first_step_does_not_wait_for_the_tracker(started: Started) -> None:
    assert "wandb" not in started.modules


def test_metrics_that_need_torchvision_find_it(started: Started) -> None:
    assert started.overlap == 0.5


def test_startup_is_counted_from_the_process_and_later_from_the_run(started: Started) -> None:
    assert started.first["startup_seconds"] >= started.age
    assert 0 < started.second["startup_seconds"] < started.second["seconds"]
