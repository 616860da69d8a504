"""The digits that ship with scikit-learn: real images, no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fovea.config.imports import quick_imports
from fovea.data.image.source import Images, Source, Spec, Splits

_TEST_SIZE = 360
_TEST_SEED = 0


class Digits(Source):
    """Optical recognition of handwritten digits: 1,797 grey images of 8×8 (Alpaydin, Kaynak 1998).

    The set has no test part of its own, so a fixed one is drawn, stratified by class: 1,437 train,
    360 test. The values 0–16 become 0–255 by ``round(value * 255 / 16)``, which loses nothing.
    """

    def spec(self, root: Path) -> Spec:
        return Spec(classes=tuple("0123456789"), channels=1, image_size=8)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        with quick_imports():
            from sklearn.datasets import load_digits  # 1 s: only for this set
            from sklearn.model_selection import train_test_split

        values, labels = load_digits(return_X_y=True)
        pixels = np.rint(values * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
        halves = train_test_split(
            np.arange(len(labels)), test_size=_TEST_SIZE, random_state=_TEST_SEED, stratify=labels
        )
        train, test = map(np.sort, halves)

        def part(index: NDArray[np.int64]) -> Images:
            return Images(torch.from_numpy(pixels[index]), torch.from_numpy(labels[index]).long())

        return Splits(train=part(train), test=part(test))
