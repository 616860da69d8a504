"""The stratified split is scikit-learn's, sample for sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from fovea.data.image.split import stratified_split


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=12),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_draws_what_scikit_learn_draws(counts: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.RandomState(0).shuffle(labels)
    held_out = min(max(round(share * len(labels)), len(counts)), len(labels) - len(counts))
    expected = train_test_split(
        np.arange(len(labels)), test_size=held_out, random_state=seed, stratify=labels
    )
    for part, theirs in zip(stratified_split(labels, held_out, seed), expected, strict=True):
        assert part.tolist() == sorted(theirs)


@pytest.mark.parametrize(
    ("labels", "held_out", "message"),
    [
        ([0, 0, 0, 1], 2, "class 1 has one image only"),
        ([0, 0, 1, 1, 2, 2], 2, "4 and 2 images for 3 classes"),
        ([0, 0, 1, 1, 2, 2], 4, "2 and 4 images for 3 classes"),
    ],
)
def test_what_cannot_be_stratified_is_refused(
    labels: list[int], held_out: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stratified_split(np.array(labels), held_out, seed=0)
