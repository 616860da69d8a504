"""The folds of a cross-validation."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from fovea.config.errors import DataError

Rows = NDArray[np.int64]


def deal(labels: NDArray[np.integer], folds: int, fold: int, seed: int) -> tuple[Rows, Rows]:
    """Deal samples into folds, stratified by class.

    Args:
        labels: ``(N,)``, the class of each sample.
        folds: how many; each sample is in one.
        fold: the one that is tested on, from 0.
        seed: of the random order in which they are dealt.

    Returns:
        The rows of all other folds, and of that one, in order.

    Raises:
        DataError: every class has fewer samples than there are folds.
    """
    if np.bincount(labels).max() < folds:
        raise DataError(
            f"data.folds={folds}: no class has so many of the {len(labels)} training samples; "
            "set fewer"
        )
    from sklearn.model_selection import StratifiedKFold  # 1 s, and only where needed

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with fewer samples than folds
        rest, held = list(splitter.split(labels, labels))[fold]
    return rest, held
