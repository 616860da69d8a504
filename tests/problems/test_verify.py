"""Recorded metrics against stored predictions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from fovea.config.errors import RecordError
from fovea.problems.recorded import Disagreement, verify
from fovea.records import RunFolder, run_folder

CLASSES = 7


def reference() -> MetricCollection:
    """What torchmetrics measures."""
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(CLASSES, average="micro"),
            "macro_f1": MulticlassF1Score(CLASSES, average="macro"),
            "top5_accuracy": MulticlassAccuracy(CLASSES, average="micro", top_k=5),
        },
        compute_groups=False,
    )


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    """A run with predictions, and the metrics that torchmetrics made of them."""
    torch.manual_seed(0)
    probabilities = torch.randn(200, CLASSES).softmax(dim=1)
    labels = torch.randint(CLASSES - 1, (200,))  # the last class does not occur
    return leave(outputs, probabilities, labels)


def leave(outputs: Path, probabilities: torch.Tensor, labels: torch.Tensor) -> RunFolder:
    folder = run_folder(outputs, "aaa")
    metrics = reference()
    metrics.update(probabilities, labels)
    guesses = probabilities.argmax(dim=1)
    folder.write(
        "summary.json",
        {
            "status": "finished",
            "metrics": {"test/loss": 1.0, "val/accuracy": 0.1}
            | {f"test/{name}": float(value) for name, value in metrics.compute().items()},
            "per_class_accuracy": {
                f"class {index}": round(
                    float((guesses[labels == index] == index).float().mean()), 6
                )
                for index in range(CLASSES - 1)
            }
            | {f"class {CLASSES - 1}": None},
        },
    )
    folder.write("data.json", {"classes": [f"class {index}" for index in range(CLASSES)]})
    pd.DataFrame(
        {
            "index": range(len(labels)),
            "label": labels.numpy(),
            "prediction": guesses.numpy(),
            "probabilities": list(probabilities.numpy()),
        }
    ).to_parquet(folder.predictions, index=False)
    return folder


def change(run: RunFolder, **metrics: float) -> None:
    summary = run.summary
    summary["metrics"] |= metrics
    run.write("summary.json", summary)


def test_what_was_recorded_agrees(run: RunFolder) -> None:
    assert verify(run) == []


@pytest.mark.parametrize("metric", ["test/accuracy", "test/top5_accuracy", "test/macro_f1"])
def test_one_sample_more_is_found(run: RunFolder, metric: str) -> None:
    right = run.metrics[metric]
    assert right is not None
    change(run, **{metric: right + 0.005})
    found = verify(run)
    assert found is not None
    (only,) = found
    assert (only.name, only.recorded) == (metric, right + 0.005)
    assert only.recomputed[0] == pytest.approx(right, abs=1e-6)


def test_a_class_is_recomputed_too(run: RunFolder) -> None:
    summary = run.summary
    summary["per_class_accuracy"]["class 2"] += 0.01
    run.write("summary.json", summary)
    found = verify(run)
    assert found is not None
    assert [each.name for each in found] == ["per_class_accuracy: class 2"]


def test_no_number_is_no_agreement(run: RunFolder) -> None:
    change(run, **{"test/accuracy": float("nan")})
    found = verify(run)
    assert found is not None
    assert isinstance(found[0], Disagreement)
    assert found[0].recorded is None


def test_equal_probabilities_leave_the_fifth_place_open(outputs: Path) -> None:
    # all classes equal: whether the label is among five of seven is not to be told
    folder = leave(outputs, torch.full((4, CLASSES), 1 / CLASSES), torch.tensor([0, 3, 5, 5]))
    assert verify(folder) == []
    change(folder, **{"test/top5_accuracy": 0.25})
    assert verify(folder) == []


def test_a_run_without_predictions_is_told_apart(run: RunFolder) -> None:
    run.predictions.unlink()
    assert verify(run) is None


def test_damaged_predictions_are_named(run: RunFolder) -> None:
    run.predictions.write_bytes(b"PAR1 no more")
    with pytest.raises(RecordError) as refusal:
        verify(run)
    assert str(refusal.value).startswith(f"{run.predictions}: damaged (")
    assert "\n" not in str(refusal.value)
