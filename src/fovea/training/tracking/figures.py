"""Pictures of runs: learning curves, confusion matrix, contact sheet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fovea.config.printing import printable

_as_it_is = rc_context({"text.parse_math": False})  # names are no formulas


@_as_it_is
def learning_curves(history: Sequence[Mapping[str, float]], title: str) -> bytes:
    """Draw loss and accuracy of training and validation by epoch, as PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part in ("train", "val"):
            epochs, values = _points(history, f"{part}/{quantity}")
            if epochs:
                axes.plot(epochs, values, marker=".", label=part)
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(printable(title), fontsize="medium")
    return _png(figure)


@_as_it_is
def overlaid_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Draw loss and accuracy of several runs by epoch, training dashed, validation solid, as PNG.

    Args:
        histories: of each run, by its title; a run without epochs is in the legend only.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, quantity in zip(panels, ("loss", "accuracy"), strict=True):
        for index, (title, history) in enumerate(histories.items()):
            for part, style in (("train", "--"), ("val", "-")):
                points = _points(history, f"{part}/{quantity}")
                label = printable(title) if part == "val" else None
                axes.plot(*points, style, marker=".", color=f"C{index}", label=label)
        axes.set(xlabel="epoch", ylabel=quantity, title="dashed: training, solid: validation")
        axes.title.set_fontsize("small")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return _png(figure)


@_as_it_is
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
    return _png(figure)


@_as_it_is
def contact_sheet(
    images: Sequence[NDArray[np.uint8]], captions: Sequence[str], columns: int = 5
) -> bytes:
    """Draw pictures ``(H, W, 1 or 3)`` of any size in a grid with a caption over each, as PNG."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.5 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, image, caption in zip(grid, images, captions, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(printable(caption), fontsize=9)
    for axes in figure.axes:
        axes.axis("off")
    return _png(figure)


def _points(history: Sequence[Mapping[str, float]], metric: str) -> tuple[list[float], list[float]]:
    """Return the epochs, from 1, that have a metric, and its values."""
    rows = [row for row in history if metric in row]
    return [row["epoch"] + 1 for row in rows], [row[metric] for row in rows]


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, bbox_inches="tight")
    return stream.getvalue()
