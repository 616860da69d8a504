"""What the trainer's settings ask of a task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fovea.config.errors import ConfigError
from fovea.problems.classification.predictions import ClassPredictions
from fovea.records.quantities import COMMON, Quantity
from fovea.training.settings import TrainerSettings


def test_lightning_scales_and_reduces_only_where_there_is_need() -> None:
    assert TrainerSettings(precision="bf16-mixed").stepping.plain_backward
    assert not TrainerSettings(precision="16-mixed").stepping.plain_backward
    several = TrainerSettings(devices=2).stepping
    assert (several.plain_backward, several.burst) == (False, 1)
    assert TrainerSettings(ema_decay=0.9).stepping.burst == 1


def test_a_precision_that_a_cpu_does_not_have_is_refused() -> None:
    settings = TrainerSettings(accelerator="cpu", precision="16-mixed")
    with pytest.raises(ConfigError) as refusal:
        settings.trainer(epochs=1, loggers=False, callbacks=[])
    assert str(refusal.value) == (
        "trainer.precision=16-mixed: a CPU would compute in bfloat16; "
        "set trainer.precision=bf16-mixed or 32"
    )


@pytest.mark.parametrize(
    ("accuracy", "reached"), [(0.74998, False), (0.75, True), (0.8, True), (float("nan"), False)]
)
def test_a_target_is_reached_by_what_equals_it(accuracy: float, reached: bool) -> None:
    row = {"train/accuracy": accuracy, "train/loss": -accuracy}
    task: Any = SimpleNamespace(all_quantities={**COMMON, **ClassPredictions.quantities})
    asked = TrainerSettings(stop={"metric": "train/accuracy", "value": 0.75})
    assert asked.reached(row, task) is reached
    lower = TrainerSettings(stop={"metric": "train/loss", "value": -0.75})
    assert lower.reached(row, task) is reached
    assert TrainerSettings().reached(row, task) is None


@pytest.mark.parametrize("better", ["lower", "higher", None])
def test_any_number_is_better_than_nan(better: Any) -> None:
    quantity, nan = Quantity(better=better), float("nan")
    assert quantity.is_better(1.0, nan)
    assert not quantity.is_better(nan, 1.0)
    assert not quantity.is_better(nan, nan)
    assert quantity.is_better(1.0, 2.0) is (better == "lower")
