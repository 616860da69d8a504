"""Golden runs: a few steps of every part. Their training losses tell whether numbers have moved.

Three steps of each network, twenty of all else: in float64, where processors agree to 12 digits;
without dropout, whose masks differ between math libraries; without resizing, whose rounding differs
too. Where a change of the code moves one, add a ``Change`` to ``fovea.config.numerics``, and write
``golden.json`` anew: ``FOVEA_GOLDEN=write uv run pytest -n0 tests/training/test_golden.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from fovea.config.compose import compose_run
from fovea.config.options import options
from fovea.records import RunFolder

FILE = Path(__file__).with_name("golden.json")
GOLDEN: dict[str, float] = json.loads(FILE.read_text())
OF_PIXELS = ("deeplab", "fcn", "unet")
OF_TEXTS = ("bag_of_words", "text_cnn")
PARTS = {
    **{f"model={name}": ["data.fit=pad", "trainer.limit_batches=3"] for name in options("model")},
    **{
        f"model={name}": [
            "data=text_csv",
            "data.source.file=texts.csv",
            "optimizer.lr=1",
            "trainer.limit_batches=3",
        ]
        for name in OF_TEXTS
    },
    **{f"model={name}": ["trainer.limit_batches=3", "loss.dice=1"] for name in OF_PIXELS},
    **{f"optimizer={name}": [] for name in options("optimizer")},
    **{f"schedule={name}": [] for name in options("schedule")},
    "schedule=step": ["schedule.every=0.3"],
    "schedule=multistep": ["schedule.milestones=[0.3,0.6]"],
    "schedule=warm_restarts": ["schedule.period=0.3"],
    **{f"augment={name}": [] for name in options("augment")},
    "loss=cross_entropy": ["loss.label_smoothing=0.1"],
    "loss=lenet_map": ["model=lenet5", "data.fit=pad", "optimizer.lr=1e-4"],
    "trainer.accumulate=3": ["trainer.gradient_clip=0.5"],
    "data.memory_limit=0": ["augment=flip_crop", "augment.padding=1"],
    "data.normalize=none": [],
}
IN_FLOAT32 = {"loss=lenet_map": 1e-5, "optimizer=muon": 1e-4}  # and how far processors may differ


@pytest.fixture
def _float64() -> Iterator[None]:
    """Draw weights and normalise images in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("part", PARTS)
def test_the_numbers_of_a_part_stay(
    part: str, trained: Callable[..., RunFolder], leaves: list[str], tmp_path: Path
) -> None:
    overrides = ["optimizer=sgd", "optimizer.lr=0.01", "trainer.precision=64"]
    overrides = [each for each in overrides if not part.startswith("optimizer=") or "64" in each]
    if part.removeprefix("model=") in OF_PIXELS:
        overrides += [*leaves, "batch_size=4"]
    overrides += [part, "trainer.limit_batches=20", *PARTS[part]]
    if "data=text_csv" in overrides:
        rows = [f"{'so ' * (row % 5)}{['dull', 'fine'][row % 2]},{row % 2}" for row in range(90)]
        (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
        overrides.append(f"data.root={tmp_path}")
    node = compose_run([each for each in overrides if each.startswith("model=")])["model"]
    node |= {key: 0.0 for key in node if "dropout" in key}
    if not part.startswith("model=") and "hidden_sizes" in node:
        node["hidden_sizes"] = [32]
    run = trained(*overrides, model=node)
    loss = run.metrics["train/loss"]
    if os.environ.get("FOVEA_GOLDEN") == "write":
        GOLDEN[part] = loss
        FILE.write_text(json.dumps(dict(sorted(GOLDEN.items())), indent=1) + "\n")
    assert loss == pytest.approx(GOLDEN[part], rel=IN_FLOAT32.get(part, 1e-9))


def test_every_golden_run_is_of_a_part() -> None:
    assert GOLDEN.keys() == PARTS.keys()
