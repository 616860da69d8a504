"""Pictures of a classifier's predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fovea.config.printing import printable
from fovea.problems.figures import as_it_is, png


@as_it_is
def confusion_figure(confusion: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    """Draw a confusion matrix ``(C, C)``, rows true, coloured by share of the row, as PNG."""
    count = len(classes)
    names = [printable(name) for name in classes]
    side = min(14.0, 2.5 + 0.4 * count)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    rows = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, rows, out=np.zeros(confusion.shape), where=rows > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    if count <= 50:
        axes.set_xticks(range(count), names, rotation=90)
        axes.set_yticks(range(count), names)
    if count <= 26:
        for (row, column), number in np.ndenumerate(confusion):
            if number:
                axes.text(
                    column,
                    row,
                    str(number),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    axes.set(xlabel="predicted", ylabel="true")
    return png(figure)
