"""The folds of a cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fovea.config.errors import DataError

Indices = NDArray[np.int64]


def deal(
    labels: NDArray[np.integer],
    folds: int,
    fold: int,
    seed: int,
    groups: Sequence[str] | None = None,
    asked: str = "",
) -> tuple[Indices, Indices]:
    """Deal samples into folds, stratified by class.

    Args:
        labels: ``(N,)``, the class of each sample.
        folds: how many; each sample is in one.
        fold: the one that is tested on, from 0.
        seed: of the random order in which they are dealt.
        groups: of each sample: those of one group are in one fold; ``None`` deals each alone.
        asked: what asks for it, for messages; '' is ``data.folds``.

    Returns:
        The rows of all other folds, and of that one, in order.

    Raises:
        DataError: every class has fewer samples than there are folds, or there are fewer groups.
    """
    asked = asked or f"data.folds={folds}"
    if groups is not None and len(set(groups)) < folds:
        raise DataError(f"{asked}: needs {folds} groups, and there are {len(set(groups))}")
    if np.bincount(labels).max() < folds:
        raise DataError(
            f"{asked}: no class has {folds} of the {len(labels)} training samples; set fewer parts"
        )
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # 1 s

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with fewer samples than folds
        rest, held = list(splitter.split(labels, labels, groups))[fold]
    return rest, held
