"""Pictures of a run: that they can be decoded, and show what they should."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.problems.classification.figures import confusion_figure
from fovea.problems.figures import contact_sheet
from fovea.records.quantities import Quantity
from fovea.training.checkpoints import Watched
from fovea.training.tracking.curves import draw_curves, overlaid_curves

ACCURACY = Watched("val/accuracy", Quantity("accuracy", "percent", "higher"))


def decode(png: bytes) -> NDArray[np.uint8]:
    """RGB pixels ``(H, W, 3)``."""
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def count(pixels: NDArray[np.uint8], colour: tuple[int, int, int], tolerance: int = 2) -> int:
    near = np.abs(pixels.astype(int) - colour).max(axis=2) <= tolerance
    return int(near.sum())


def size(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    height, width, _ = pixels.shape
    return height, width


def roughly(height: float, width: float) -> Any:
    """A size in pixels of which margins may have been cut."""
    return pytest.approx((height, width), rel=0.2)


BLUE, ORANGE = (31, 119, 180), (255, 127, 14)  # matplotlib's first two lines


def test_learning_curves_show_training_and_validation() -> None:
    rows = [
        {"epoch": epoch, "train/loss": 2.0 - epoch, "train/accuracy": 0.4 * epoch}
        for epoch in range(3)
    ]
    validated = [row | {"val/loss": 2.5, "val/accuracy": 0.3} for row in rows]
    both = decode(draw_curves(validated, "mlp-digits-0", ACCURACY))
    assert size(both) == roughly(432, 1080)
    assert count(both, BLUE) > 100
    assert count(both, ORANGE) > 100
    assert count(decode(draw_curves(rows, "mlp-digits-0", ACCURACY)), ORANGE) == 0


@pytest.mark.filterwarnings("ignore:No artists with labels")
def test_learning_curves_of_one_epoch_that_diverged() -> None:
    row = {"epoch": 0, "train/loss": float("nan"), "train/accuracy": 0.1}
    assert size(decode(draw_curves([row], "diverged", ACCURACY))) == roughly(432, 1080)


def test_overlaid_curves_have_a_colour_per_run() -> None:
    rows = [{"epoch": epoch, "val/loss": 2.0 - epoch, "train/loss": 2.5} for epoch in range(3)]
    two = decode(
        overlaid_curves(
            {"first": rows, "second": [{**row, "val/loss": 1} for row in rows]}, ACCURACY.metric
        )
    )
    assert count(two, BLUE) > 100
    assert count(two, ORANGE) > 100
    one = decode(overlaid_curves({"first": rows, "never ran": []}, ACCURACY.metric))
    assert count(one, BLUE) > 100
    assert count(one, ORANGE) < 100  # in the legend only


def test_confusion_matrix_is_coloured_by_share_of_the_row() -> None:
    right = confusion_figure(np.diag([5, 1000]), ["ant", "bee"])
    wrong = confusion_figure(np.array([[0, 5], [1000, 0]]), ["ant", "bee"])
    dark, white = (8, 48, 107), (247, 251, 255)  # both ends of the colour map
    pixels, flipped = decode(right), decode(wrong)
    for picture in (pixels, flipped):
        assert count(picture, dark) > 1000
        assert abs(count(picture, dark) - count(picture, white)) < 0.2 * count(picture, dark)
    assert not np.array_equal(pixels, flipped)


@pytest.mark.parametrize("classes", [2, 26, 100])
def test_confusion_matrix_of_many_classes(classes: int) -> None:
    names = [f"class {index}" for index in range(classes)]
    pixels = decode(confusion_figure(np.eye(classes, dtype=np.int64), names))
    side = min(14.0, 2.5 + 0.4 * classes)
    assert size(pixels) == roughly(side * 120, (side + 1) * 120)


def test_a_class_without_samples_is_white() -> None:
    empty = decode(confusion_figure(np.zeros((3, 3), np.int64), ["a", "b", "c"]))
    filled = decode(confusion_figure(np.diag([1, 1, 0]), ["a", "b", "c"]))
    assert count(filled, (8, 48, 107)) > count(empty, (8, 48, 107))


def test_contact_sheet_is_a_grid_of_the_pictures() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    grey = np.full((5, 9, 1), 128, np.uint8)
    sheet = decode(contact_sheet([red] * 5 + [grey] * 2, [f"{index}" for index in range(7)]))
    assert size(sheet) == roughly(600, 1260)  # two rows of five
    upper, lower = np.array_split(sheet, 2)
    left, right = np.split(lower, [sheet.shape[1] * 2 // 5], axis=1)
    assert count(upper, (255, 0, 0)) > 5 * 100 * 100
    assert count(lower, (255, 0, 0)) == 0
    assert count(left, (128, 128, 128)) > 2 * 50 * 100
    assert count(right, (128, 128, 128)) < 0.1 * count(left, (128, 128, 128))


def test_contact_sheet_of_one_picture() -> None:
    sheet = decode(contact_sheet([np.zeros((4, 4, 1), np.uint8)], ["black"]))
    assert size(sheet) == roughly(300, 252)
    assert count(sheet, (0, 0, 0)) > 100 * 100


def test_a_long_caption_is_no_wider_than_its_picture() -> None:
    picture = np.zeros((4, 4, 1), np.uint8)
    short = decode(contact_sheet([picture] * 2, ["a", "b"]))
    long = decode(contact_sheet([picture] * 2, ["a word " * 12, "x" * 90 + "\nsecond line"]))
    assert long.shape[1] <= short.shape[1] + 2
    assert long.shape[0] >= short.shape[0]
