"""Segmentation: losses and scores by hand, what is kept of a batch, and training from a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, jaccard_score
from torch import Tensor, nn

from fovea.augment.joint import IGNORED
from fovea.config.errors import ConfigError
from fovea.optim.optimizers import sgd
from fovea.optim.schedules import Constant
from fovea.problems.base import Stepping
from fovea.problems.predictions import RecordedRun
from fovea.problems.segmentation.losses import SegmentationLoss, dice_loss
from fovea.problems.segmentation.predictions import SegmentationPredictions, class_colours
from fovea.problems.segmentation.rand import rand_error
from fovea.problems.segmentation.task import Segmentation, count_pixels

CLASSES = ("ground", "leaf", "stem")


def random_masks(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Masks of 4 samples, a quarter of them ignored, and what was predicted."""
    generator = torch.Generator().manual_seed(seed)
    masks, predicted = torch.randint(3, (2, 4, 6, 7), generator=generator)
    masks[torch.rand(masks.shape, generator=generator) < 0.25] = IGNORED
    return masks, predicted


def predictions(masks: Tensor, predicted: Tensor, classes: int = 3) -> SegmentationPredictions:
    rows = {key: each.numpy() for key, each in count_pixels(masks, predicted, classes).items()}
    return SegmentationPredictions(rows, {"classes": CLASSES})


def test_metrics_are_those_of_scikit_learn_over_all_pixels() -> None:
    masks, predicted = random_masks()
    known = masks != IGNORED
    true, found = masks[known].numpy(), predicted[known].numpy()
    made = predictions(masks, predicted)
    confusion = confusion_matrix(true, found)
    assert made.metrics() == {
        "miou": pytest.approx(jaccard_score(true, found, average="macro")),
        "dice": pytest.approx(
            np.mean(2 * confusion.diagonal() / (confusion.sum(0) + confusion.sum(1)))
        ),
        "pixel_accuracy": pytest.approx((true == found).mean()),
    }
    shares = jaccard_score(true, found, average=None)
    assert made.details() == {
        "per_class_iou": dict(zip(CLASSES, map(partial(round, ndigits=6), shares), strict=True))
    }
    of_each = [
        jaccard_score(t[k].numpy(), f[k].numpy(), average="macro")
        for t, f, k in zip(masks, predicted, known, strict=True)
    ]
    assert made.scores() == pytest.approx(of_each)
    assert made.caption(1) == f"IoU {of_each[1]:.0%}"


def test_classes_that_are_nowhere_do_not_count() -> None:
    masks = torch.zeros(2, 2, 2, dtype=torch.long)
    masks[1] = IGNORED
    made = predictions(masks, torch.zeros_like(masks), classes=4)
    assert made.metrics() == {"miou": 1.0, "dice": 1.0, "pixel_accuracy": 1.0}
    assert made.scores().tolist() == [1, 0]
    absent = {"leaf": None, "stem": None, "output 3": None}
    assert made.details() == {"per_class_iou": {"ground": 1.0, **absent}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.zeros((4, 2), np.int64)}, "different classes"),
        ({"target": np.full((4, 3), -1)}, "target: a count below 0"),
        ({"intersection": np.full((4, 3), 99)}, "intersection: larger"),
        ({"predicted": np.zeros(4)}, "predicted: float64 of 1 axes"),
    ],
)
def test_rows_of_a_record_that_are_no_counts(change: dict[str, Any], message: str) -> None:
    made = predictions(*random_masks())
    assert SegmentationPredictions.checked(made.rows, {}).metrics() == made.metrics()
    with pytest.raises(ValueError, match=message):
        SegmentationPredictions.checked({**made.rows, **change}, {})


def test_cross_entropy_is_torchs_where_there_is_a_class() -> None:
    masks, _ = random_masks()
    logits = torch.randn(4, 3, 6, 7, generator=torch.Generator().manual_seed(1))
    cross_entropy = nn.CrossEntropyLoss(ignore_index=IGNORED)
    torch.testing.assert_close(SegmentationLoss()(logits, masks), cross_entropy(logits, masks))
    of_classes = torch.tensor([1.0, 2.0, 5.0])
    weights = torch.zeros(256)
    weights[:3] = of_classes
    weighted = nn.CrossEntropyLoss(of_classes, ignore_index=IGNORED)
    torch.testing.assert_close(
        SegmentationLoss()(logits, masks, weights[masks]), weighted(logits, masks)
    )
    nothing = torch.full_like(masks, IGNORED)
    assert SegmentationLoss(1, 1)(logits, nothing) == 1  # no cross entropy, and no class for Dice


def test_dice_is_that_of_the_paper_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.5, 0.3, 0.2]])
    logits = probabilities.log().clamp_min(-1e9).T.reshape(1, 3, 1, 3)
    masks = torch.tensor([[[0, 1, IGNORED]]])
    ground = 2 * 0.9 / (1 + 0.9 + 0.2)
    leaf = 2 * 0.8 / (1 + 0.1 + 0.8)
    assert dice_loss(logits, masks).item() == pytest.approx(1 - (ground + leaf) / 2)
    both = SegmentationLoss(cross_entropy=2, dice=3)(logits, masks)
    parts = 2 * SegmentationLoss()(logits, masks) + 3 * dice_loss(logits, masks)
    torch.testing.assert_close(both, parts)
    with pytest.raises(ConfigError, match="leave no loss"):
        SegmentationLoss(0, 0)


def test_the_rand_error_by_hand() -> None:
    # Objects of 4 and 2 pixels; found as components of 3 and 3: one pixel changes sides.
    objects = np.array([[1, 1, 1, 1, 0, 1, 1]], bool)
    joined = np.array([[1, 1, 1, 1, 1, 1, 1]], bool)
    assert rand_error(objects, objects) == 0
    pairs, found = 4 * 3 + 2 * 1, 6 * 5
    assert rand_error(objects, joined) == pytest.approx(1 - 2 * pairs / (pairs + found))
    cut = np.array([[1, 0, 1, 1, 0, 1, 1]], bool)  # components of 1, 2 and 2; a pixel lost
    shared = 2 * 1 + 2 * 1
    assert rand_error(objects, cut) == pytest.approx(1 - 2 * shared / (pairs + 2 * 1 + 2 * 1))
    assert np.isnan(rand_error(np.zeros((2, 2), bool), joined[:, :4].reshape(2, 2)))


class Given(nn.Module):
    """Returns what it is given, by name, with a factor that can be trained."""

    def __init__(self, outputs: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))
        self.outputs = outputs

    def forward(self, images: Tensor) -> Any:
        return self.outputs(images * self.factor)


def task(outputs: Callable[[Tensor], Any], **arguments: Any) -> Segmentation:
    return Segmentation(
        Given(outputs),
        SegmentationLoss(),
        partial(sgd, lr=1.0),
        Constant(),
        Stepping(),
        CLASSES,
        **arguments,
    )


def test_named_outputs_are_trained_and_one_is_measured() -> None:
    masks, _ = random_masks()
    images = torch.randn(4, 3, 6, 7, generator=torch.Generator().manual_seed(2))
    named = task(lambda x: {"out": x, "aux": -x}, aux_weight=0.25)
    loss = named.training_loss((images, masks))
    expected = SegmentationLoss()(images, masks) + 0.25 * SegmentationLoss()(-images, masks)
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(loss.parts["loss_aux"], SegmentationLoss()(-images, masks))
    known = masks != IGNORED
    right = ((images.argmax(1) == masks) & known).sum((1, 2)) / known.sum((1, 2))
    torch.testing.assert_close(loss.parts["pixel_accuracy"], right)
    evaluation = named.evaluate((images, masks))
    assert evaluation.rows.keys() == {"intersection", "target", "predicted"}
    assert torch.equal(evaluation.rows["target"].sum(1), known.sum((1, 2)))
    assert evaluation.loss is not None
    torch.testing.assert_close(evaluation.loss.total, SegmentationLoss()(images, masks))
    assert torch.equal(named.rows({"out": images})["mask"].long(), images.argmax(1))


def test_smaller_maps_are_of_the_centre_and_weights_are_used() -> None:
    masks, _ = random_masks()
    images = torch.randn(4, 3, 6, 7, generator=torch.Generator().manual_seed(3))
    weights = torch.rand(4, 6, 7)
    loss = task(lambda x: x[:, :, 1:5, 1:4]).training_loss((images, masks, weights))
    inner = slice(1, 5), slice(2, 5)
    expected = SegmentationLoss()(images[:, :, 1:5, 1:4], masks[:, *inner], weights[:, *inner])
    torch.testing.assert_close(loss.total, expected)


def test_objects_are_measured_by_the_rand_error() -> None:
    masks = torch.tensor([[[1, 1, 1, 1, 0, 1, 1]]])
    logits = torch.zeros(1, 3, 1, 7)
    logits[:, 1] = 1
    rows = task(lambda x: x, objects=1).evaluate((logits, masks)).rows
    assert rows["rand_error"].tolist() == pytest.approx([1 - 2 * 14 / (14 + 30)])


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda x: x.mean((2, 3)), r"returns 'out' of shape \(4, 3\); segmentation needs logits"),
        (lambda x: {"logits": x}, "'out' among them"),
        (lambda x: x.repeat(1, 1, 2, 2), "makes 12×14 maps of 6×7 images"),
    ],
)
def test_a_network_of_another_problem_is_one_line(
    outputs: Callable[[Tensor], Any], message: str
) -> None:
    masks, _ = random_masks()
    with pytest.raises(ConfigError, match=message):
        task(outputs).training_loss((torch.zeros(4, 3, 6, 7), masks))


def test_classes_have_the_colours_of_pascal_voc() -> None:
    # aeroplane, bicycle, bird, person, tv monitor, and the border, which is of no class
    colours = {1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 15: (192, 128, 128)}
    colours |= {20: (0, 64, 128), 255: (224, 224, 192)}
    found = class_colours()
    assert {label: tuple(found[label].tolist()) for label in colours} == colours
    mask = np.array([[[0, 15]]], np.uint8)
    (drawn,) = SegmentationPredictions({"mask": mask}, {}).drawn_on(
        [np.full((1, 2, 1), 64, np.uint8)]
    )
    assert drawn.tolist() == [[[32, 32, 32], [128, 96, 96]]]


def test_the_report_has_the_iou_of_every_class() -> None:
    found = {"ground": 0.51234567, "leaf": None}
    runs = [RecordedRun(id="a", cell="c", summary={"per_class_iou": found}, read=cast(Any, None))]
    (chart,) = SegmentationPredictions.charts(runs)
    assert list(chart.rows) == [
        {
            "run": "a",
            "cell": "c",
            "names": ["ground", "leaf"],
            "IoU": [0.5123, None],
            "order": [0, 1],
        }
    ]
