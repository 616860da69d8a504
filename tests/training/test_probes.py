"""Probes: what they feed the network, and what they make of its answers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from fovea.augment.flip_crop import FlipCrop
from fovea.data.image.module import ImageData
from fovea.data.sources.digits import Digits
from fovea.problems.classification.probes import Shift, Shifts
from fovea.problems.probes import TrainingPart

IMAGE = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.uint8)


class Recorder:
    """Measures nothing: keeps the images it is shown and gives out 0.1, 0.2, 0.3 …"""

    def __init__(self) -> None:
        self.shown: list[Tensor] = []

    def __call__(self, batches: Iterable[Any]) -> dict[str, float]:
        self.shown.append(torch.cat([images for images, _ in batches]))
        return {"accuracy": len(self.shown) / 10, "loss": float(len(self.shown))}


@pytest.fixture
def digits() -> ImageData:
    return ImageData(
        Digits(), str(Path("nowhere")), normalize="none", augment=FlipCrop(), batch_size=100
    )


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (Shift(0, 0), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        (Shift(1, 0), [[0, 1, 2], [0, 4, 5], [0, 7, 8]]),
        (Shift(-2, 0), [[3, 0, 0], [6, 0, 0], [9, 0, 0]]),
        (Shift(0, 1), [[0, 0, 0], [1, 2, 3], [4, 5, 6]]),
        (Shift(0, -2), [[7, 8, 9], [0, 0, 0], [0, 0, 0]]),
        (Shift(3, 0), [[0, 0, 0]] * 3),
        (Shift(0, -7), [[0, 0, 0]] * 3),
    ],
)
def test_a_shift_moves_every_image_and_fills_with_black(
    shift: Shift, expected: list[list[int]]
) -> None:
    images = IMAGE.expand(2, 3, 3, 3)
    shifted = shift(images, Generator())
    assert shifted.dtype == torch.uint8
    assert shifted.tolist() == [[expected] * 3] * 2


def test_shifts_are_measured_in_four_directions_at_every_distance(digits: ImageData) -> None:
    measure = Recorder()
    metrics = Shifts(largest=2)(digits, measure)
    assert metrics == {
        "test/accuracy_shift_1": pytest.approx((0.1 + 0.2 + 0.3 + 0.4) / 4),
        "test/accuracy_shift_2": pytest.approx((0.5 + 0.6 + 0.7 + 0.8) / 4),
    }
    plain = torch.cat([images for images, _ in digits.test_dataloader()])
    left, right, up, down = measure.shown[4:]
    assert left[..., :-2].equal(plain[..., 2:])
    assert right[..., 2:].equal(plain[..., :-2])
    assert up[..., :-2, :].equal(plain[..., 2:, :])
    assert down[..., 2:, :].equal(plain[..., :-2, :])
    assert not right[..., :2].any()


def test_black_is_what_black_is_normalised_to() -> None:
    digits = ImageData(Digits(), "nowhere", batch_size=100)
    measure = Recorder()
    Shifts(largest=1)(digits, measure)
    (mean,), (std,) = digits.statistics
    torch.testing.assert_close(measure.shown[1][..., 0], torch.full((360, 1, 8), -mean / std))


def test_the_training_part_is_measured_as_it_is(digits: ImageData) -> None:
    measure = Recorder()
    assert TrainingPart()(digits, measure) == {"train_eval/accuracy": 0.1, "train_eval/loss": 1.0}
    (shown,) = measure.shown
    assert len(shown) == digits.sizes["train"] == 1293
    training = torch.cat([images for images, _ in digits.train_dataloader()])
    assert shown.sum() > training.sum()  # which crops have taken from
