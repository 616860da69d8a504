"""The embedded digits: sizes, values and a test part that never changes."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.source import Images, Splits
from fovea.data.sources.digits import Digits


def digits() -> Splits:
    return Digits().read(Path("unused"), skip_bad=False)


def test_the_parts_are_stratified_and_hold_every_image_once() -> None:
    splits = digits()
    assert isinstance(splits.train, Images)
    assert isinstance(splits.test, Images)
    assert splits.train.pixels.shape == (1437, 8, 8, 1)
    assert splits.test.pixels.shape == (360, 8, 8, 1)
    assert splits.test.labels.bincount().tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    pixels = torch.cat([splits.train.pixels, splits.test.pixels]).flatten(1)
    original = torch.from_numpy(load_digits().data * 255 / 16).round()
    assert sorted(pixels.tolist()) == sorted(original.int().tolist())


def test_scaling_to_255_loses_nothing() -> None:
    part = digits().train
    assert isinstance(part, Images)
    levels = part.pixels.unique()
    assert len(levels) == 17
    assert (levels * (16 / 255)).round().tolist() == list(range(17))


def test_the_content_never_changes() -> None:
    assert fingerprint(digits()).startswith("9e0ebd7f32a9")
