"""The adapted Rand error: how differently two images are cut into objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def rand_error(objects: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """Return the adapted Rand error of the connected components of what was found.

    1 - the F score of the pairs of pixels that are joined in both (Arganda-Carreras et al. 2015,
    "Crowdsourcing the creation of image segmentation algorithms for connectomics", section 3.1.2),
    over the pixels of the true objects. The pixels that were found to be of none are one more
    component, as in scikit-image's ``adapted_rand_error``.

    Args:
        objects: ``(H, W)``, the pixels of the true objects.
        found: ``(H, W)``, those that were found.

    Returns:
        0 to 1; NaN where there is no object.
    """
    true, _ = ndimage.label(objects)  # pyright: ignore[reportGeneralTypeIssues]
    guessed, count = ndimage.label(found)  # pyright: ignore[reportGeneralTypeIssues]
    pairs = true[objects].astype(np.int64) * (count + 1) + guessed[objects]
    _, shared = np.unique(pairs, return_counts=True)
    joined = _pairs(shared)
    both = _pairs(np.bincount(true[objects])) + _pairs(np.bincount(guessed[objects]))
    return 1 - 2 * joined / both if both else float("nan")


def _pairs(sizes: NDArray[np.integer]) -> float:
    """Return twice the number of pairs of pixels within components of these sizes."""
    exact = sizes.astype(np.float64)
    return float((exact * (exact - 1)).sum())
