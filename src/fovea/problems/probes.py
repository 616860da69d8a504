"""Probes: what else is measured of the tested weights, once, after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

from fovea.data.base import Data

Measure = Callable[[Iterable[Any]], dict[str, float]]


@runtime_checkable
class Probe(Protocol):
    """Measures a trained network on other images than the test part as it is."""

    def __call__(self, data: Any, measure: Measure) -> dict[str, float]:
        """Return metrics, each named ``part/metric``.

        Args:
            data: what the network was trained on, a :class:`~fovea.data.base.Data`.
            measure: maps batches to the network's metrics over all of them, by name.
        """
        ...


class TrainingPart:
    """The metrics of the test, on the training part: ``train_eval/accuracy`` and so on.

    In order and not augmented, by fixed weights; ``train/accuracy`` is of augmented batches while
    the weights move.
    """

    def __call__(self, data: Data, measure: Measure) -> dict[str, float]:
        measured = measure(data.loader("train"))
        return {f"train_eval/{name}": value for name, value in measured.items()}
