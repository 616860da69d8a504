"""A stratified split, the same as scikit-learn's, without the 2 s that its import takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


def stratified_split(labels: NDArray[np.int64], held_out: int, seed: int) -> tuple[Index, Index]:
    """Split samples in two so that each class has its share in both.

    Args:
        labels: int64, ``(N,)``.
        held_out: samples in the second part.
        seed: of the draw.

    Returns:
        Indices of both parts, ascending: those that ``train_test_split(range(N),
        test_size=held_out, random_state=seed, stratify=labels)`` draws.

    Raises:
        ValueError: a class has one sample only, or a part has fewer samples than there are classes.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise ValueError(f"class {classes[counts.argmin()]} has one image only")
    if min(held_out, len(labels) - held_out) < len(classes):
        raise ValueError(
            f"{len(labels) - held_out} and {held_out} images for {len(classes)} classes"
        )
    random = np.random.RandomState(seed)  # the generator of scikit-learn, frozen by NumPy
    kept = _shares(counts, len(labels) - held_out, random)
    taken = _shares(counts - kept, held_out, random)
    parts: tuple[list[Index], list[Index]] = ([], [])
    for label, stay, go in zip(classes, kept, taken, strict=True):
        members = random.permutation(np.flatnonzero(labels == label))
        parts[0].append(members[:stay])
        parts[1].append(members[stay : stay + go])
    first, second = (np.sort(np.concatenate(part)) for part in parts)
    return first, second


def _shares(counts: Index, draws: int, random: np.random.RandomState) -> Index:
    """Divide draws among classes by size; the largest remainders, at random if equal, round up."""
    exact = counts / counts.sum() * draws
    shares = np.floor(exact)
    remainders = exact - shares
    missing = int(draws - shares.sum())
    for value in np.unique(remainders)[::-1]:
        if missing <= 0:
            break
        tied = np.flatnonzero(remainders == value)
        chosen = random.choice(tied, size=min(len(tied), missing), replace=False)
        shares[chosen] += 1
        missing -= len(chosen)
    return shares.astype(np.int64)
