"""How much each pixel counts in training."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_REACH = 5  # standard deviations; beyond, the weight is below 4e-6 of its largest


def inverse_frequency(pixels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return weights by which all classes count alike; their mean over the pixels is 1.

    Args:
        pixels: of each class, ``(classes,)``; a class without any gets 0.
    """
    present = pixels > 0
    weights = np.zeros(len(pixels), np.float32)
    weights[present] = pixels.sum() / (present.sum() * pixels[present])
    return weights


def border_weights(objects: NDArray[np.bool_], largest: float, sigma: float) -> NDArray[np.float32]:
    """Return w0 · exp(-(d1 + d2)² / 2σ²) of the background between objects that touch almost.

    d1 and d2 are the distances to the nearest and the second nearest object (Ronneberger et al.
    2015, "U-Net", equation 2, without its first term). On objects the weight is 0, as in the
    paper's figure 3, and so it is where d1 + d2 is above 5σ.

    Args:
        objects: ``(H, W)``; each connected component is one.
        largest: w0; 10 in the paper.
        sigma: σ in pixels; 5 in the paper.
    """
    labels, _ = ndimage.label(objects)  # pyright: ignore[reportGeneralTypeIssues]
    first = np.full(objects.shape, np.inf, np.float32)
    second = first.copy()
    reach = ceil(_REACH * sigma)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        near = (
            slice(max(0, rows.start - reach), rows.stop + reach),
            slice(max(0, columns.start - reach), columns.stop + reach),
        )
        distance = ndimage.distance_transform_edt(labels[near] != number)
        assert isinstance(distance, np.ndarray)
        second[near] = np.minimum(second[near], np.maximum(first[near], distance))
        first[near] = np.minimum(first[near], distance)
    weights = largest * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return np.where(objects | (first + second > reach), 0, weights).astype(np.float32)
