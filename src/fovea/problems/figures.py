"""Pictures of any problem: a contact sheet; how a figure becomes a file."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fovea.config.printing import printable

_WIDTH = 28  # characters above a picture

as_it_is = rc_context({"text.parse_math": False})  # names are no formulas


@as_it_is
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
        axes.set_title(_wrapped(printable(caption)), fontsize=9)
    for axes in figure.axes:
        axes.axis("off")
    return png(figure)


def _wrapped(text: str) -> str:
    """Return lines that are no wider than a picture."""
    return "\n".join(part for line in text.split("\n") for part in textwrap.wrap(line, _WIDTH))


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, bbox_inches="tight")
    return stream.getvalue()
