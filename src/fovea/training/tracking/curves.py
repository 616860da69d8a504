"""Pictures of runs: learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fovea.config.printing import printable
from fovea.problems.figures import as_it_is, png
from fovea.training.checkpoints import Watched


@as_it_is
def draw_curves(history: Sequence[Mapping[str, float]], title: str, watched: Watched) -> bytes:
    """Draw loss and the watched quantity of training and validation by epoch, as PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    names = _panels([history], watched.metric)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, quantity in zip(panels, names, strict=True):
        for part in ("train", "val"):
            epochs, values = _points(history, f"{part}/{quantity}")
            if epochs:
                axes.plot(epochs, values, marker=".", label=part)
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(printable(title), fontsize="medium")
    return png(figure)


@as_it_is
def overlaid_curves(histories: Mapping[str, Sequence[Mapping[str, float]]], monitor: str) -> bytes:
    """Draw loss and another metric of several runs by epoch, as PNG.

    Training is dashed, validation solid.

    Args:
        histories: of each run, by its title; a run without epochs is in the legend only.
        monitor: the validation metric that is drawn beside the loss.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    names = _panels(histories.values(), monitor)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, quantity in zip(panels, names, strict=True):
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
    return png(figure)


def _panels(histories: Iterable[Sequence[Mapping[str, float]]], monitor: str) -> list[str]:
    """Return the quantities drawn: the loss, and the watched one if it is another and recorded."""
    watched = monitor.rpartition("/")[2]
    recorded = any(key.endswith(f"/{watched}") for rows in histories for row in rows for key in row)
    return ["loss", watched] if recorded and watched != "loss" else ["loss"]


def _points(history: Sequence[Mapping[str, float]], metric: str) -> tuple[list[float], list[float]]:
    """Return the epochs that have a metric, and its values."""
    rows = [row for row in history if metric in row]
    return [row["epoch"] for row in rows], [row[metric] for row in rows]
