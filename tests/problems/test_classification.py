"""The classification task: metrics by hand, learning rates, and stopping where it diverges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from fovea.optim.optimizers import sgd
from fovea.optim.schedules import Constant, Cosine, Schedule
from fovea.problems.base import DeviceMean, Stepping
from fovea.problems.classification.losses import CrossEntropy
from fovea.problems.classification.predictions import ClassPredictions
from fovea.problems.classification.task import Classification
from fovea.training.quiet import quiet_libraries

CLASSES = ("ant", "bee", "cat")

# Logits of six samples in batches of four and two; 4 of 6 are right.
LOGITS = torch.tensor(
    [[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0], [2.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0]]
)
LABELS = torch.tensor([0, 1, 2, 1, 1, 0])


class Scale(nn.Module):
    """Returns its images, scaled, as logits."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images.flatten(1)


class Batches(list[tuple[Tensor, Tensor]]):
    """Batches of logits, disguised as images."""

    def __init__(self, logits: Tensor, labels: Tensor, sizes: Sequence[int]) -> None:
        images = logits[:, :, None, None]
        super().__init__(zip(images.split(list(sizes)), labels.split(list(sizes)), strict=True))


def task(lr: float = 0.0, schedule: Schedule | None = None, **options: Any) -> Classification:
    optimizer = partial(sgd, lr=lr, momentum=0.0, nesterov=False, weight_decay=0.0)
    schedule = schedule or Constant()
    stepping = Stepping(**options)
    return Classification(Scale(), CrossEntropy(), optimizer, schedule, stepping, CLASSES)


def trainer(epochs: int = 1, *callbacks: Callback) -> Trainer:
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def fit(task: Classification, batches: Batches, fitting: Trainer) -> Trainer:
    with quiet_libraries():
        fitting.fit(task, batches, batches)
    return fitting


RIGHT, WRONG = -log(exp(2) / (exp(2) + 2)), -log(1 / (exp(2) + 2))


@pytest.mark.parametrize("stage", ["val", "test"])
def test_metrics_are_of_all_samples_and_not_of_batches(stage: str) -> None:
    batches = Batches(LOGITS, LABELS, [4, 2])
    measured = task()
    with quiet_libraries():
        if stage == "val":
            (metrics,) = trainer().validate(measured, batches, verbose=False)
        else:
            (metrics,) = trainer().test(measured, batches, verbose=False)
    assert metrics[f"{stage}/accuracy"] == pytest.approx(4 / 6)
    assert metrics[f"{stage}/loss"] == pytest.approx((4 * RIGHT + 2 * WRONG) / 6)
    # F1 of ant: 2·1/(2·1+1+1), bee: 2·2/(2·2+1+1), cat: 1.
    assert metrics[f"{stage}/macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert f"{stage}/top5_accuracy" not in metrics  # of three classes it is 1


def test_top5_accuracy_above_five_classes() -> None:
    logits = torch.arange(7.0).expand(4, 7)  # the best five are 2 to 6
    with quiet_libraries():
        (metrics,) = trainer().test(
            task(), Batches(logits, torch.tensor([0, 1, 2, 6]), [3, 1]), verbose=False
        )
    assert metrics["test/top5_accuracy"] == pytest.approx(2 / 4)
    assert metrics["test/accuracy"] == pytest.approx(1 / 4)


def test_predictions_are_kept_in_order() -> None:
    tested = task()
    with quiet_libraries():
        trainer().test(tested, Batches(LOGITS, LABELS, [4, 2]), verbose=False)
    assert tested.tested is not None
    rows = tested.tested.rows
    np.testing.assert_allclose(rows["probabilities"], LOGITS.softmax(1), rtol=1e-6)
    assert rows["label"].tolist() == LABELS.tolist()
    assert rows["prediction"].tolist() == LOGITS.argmax(1).tolist()


def test_training_metrics_are_means_over_the_epoch() -> None:
    fitted = fit(task(lr=0.0), Batches(LOGITS, LABELS, [3, 3]), trainer())
    assert fitted.callback_metrics["train/accuracy"].item() == pytest.approx(4 / 6)
    expected = (4 * RIGHT + 2 * WRONG) / 6
    assert fitted.callback_metrics["train/loss"].item() == pytest.approx(expected)


def test_one_step_of_gradient_descent() -> None:
    trained = task(lr=0.1)
    fit(trained, Batches(LOGITS, LABELS, [6]), trainer())
    probabilities = LOGITS.softmax(1)
    at_label = LOGITS.gather(1, LABELS[:, None]).squeeze(1)
    gradient = ((probabilities * LOGITS).sum(1) - at_label).mean()  # of the loss, by the scale
    torch.testing.assert_close(trained.model.scale.data, 1 - 0.1 * gradient)


class Rates(Callback):
    """Keeps the learning rate that each step was made with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer: Trainer, *_: Any) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 4), (2, 2)])
def test_the_schedule_spans_the_optimizer_steps(accumulate: int, steps: int) -> None:
    rates = Rates()
    fit(
        task(lr=1.0, schedule=Cosine(), accumulate=accumulate),
        Batches(LOGITS, LABELS, [3, 3]),
        trainer(2, rates),
    )
    schedule = Cosine()
    assert rates.seen == pytest.approx([schedule(2 * step / steps, 2) for step in range(steps)])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_training_stops_after_an_epoch_that_diverged(bad: float) -> None:
    logits = LOGITS.clone()
    logits[5, 0] = bad
    fitted = fit(task(lr=0.1), Batches(logits, LABELS, [3, 3]), trainer(10))
    assert fitted.current_epoch == 1
    assert not fitted.callback_metrics["train/loss"].isfinite()


def test_device_mean() -> None:
    mean = DeviceMean()
    mean.add(torch.tensor([1.0, 2.0]))
    mean.add(torch.tensor(True))
    assert mean.mean().item() == pytest.approx(4 / 3)
    with pytest.raises(ValueError, match="no values"):
        DeviceMean().mean()


def test_confusion_matrix_and_per_class_accuracy() -> None:
    rows = {"prediction": np.array([0, 1, 1, 2, 2]), "label": np.array([0, 0, 1, 2, 2])}
    made = ClassPredictions(rows, {"classes": ("ant", "bee", "cat", "dog")})
    assert made.confusion().tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    shares = made.details()["per_class_accuracy"]
    assert shares == {"ant": 0.5, "bee": 1.0, "cat": 1.0, "dog": None}
    assert made.take([0, 0, 1]).scores().tolist() == [True, True, False]
    assert made.caption(1) == "ant, predicted bee"


def test_a_torchvision_network_is_a_classifier() -> None:
    """Any module will do: nothing is asked of it but logits."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(3, 3))
    optimizer = partial(sgd, lr=0.0)
    made = Classification(plain, CrossEntropy(), optimizer, Constant(), Stepping(), CLASSES)
    with quiet_libraries():
        (metrics,) = trainer().test(made, Batches(LOGITS, LABELS, [6]), verbose=False)
    assert 0 <= metrics["test/accuracy"] <= 1
