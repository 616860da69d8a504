"""Metrics beside a problem's own: what else is computed of its predictions."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fovea.config.build import build, offered
from fovea.config.errors import ConfigError, one_line
from fovea.problems.predictions import Predictions
from fovea.records.quantities import Better, Format, Quantity

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetricsMetric


class Metric(ABC):
    """A number that follows from predictions. Its name is its key in the config.

    Attributes:
        quantity: its format and direction.
    """

    quantity: Quantity = Quantity()

    @abstractmethod
    def __call__(self, predictions: Predictions) -> float:
        """Return its value over all samples of a part; NaN where it is not defined."""


class TorchMetric(Metric):
    """A metric of torchmetrics.

    It is NaN where a row is not finite, and where torchmetrics warns: a class without samples, for
    instance, has no ROC curve, and torchmetrics counts it as 0.

    Args:
        metric: any that returns one number.
        takes: the rows that it is given, in the order of its arguments.
        better: which way is better; ``None`` where neither is.
        format: ``percent`` is a share of 1.
    """

    def __init__(
        self,
        metric: TorchMetricsMetric,
        takes: Sequence[str],
        better: Better | None,
        format: Format = "number",
    ) -> None:
        self.quantity = Quantity(format=format, better=better)
        self._metric = metric
        self._metric.sync_on_compute = False  # predictions are of all ranks already
        self._takes = takes

    def __call__(self, predictions: Predictions) -> float:
        import torch

        rows = [np.array(predictions.rows[name]) for name in self._takes]
        if not all(np.isfinite(each).all() for each in rows):
            return math.nan
        self._metric.reset()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._metric.update(*map(torch.from_numpy, rows))
            value = float(self._metric.compute())
        self._metric.reset()
        return math.nan if any(each.category is UserWarning for each in caught) else value


def build_metrics(
    nodes: Mapping[str, Any], offers: Mapping[str, Any], own: Collection[str] = ()
) -> dict[str, Metric]:
    """Build the metrics of a config.

    Args:
        nodes: by name; what is ``auto`` in them is as the data offers it.
        offers: what the data set offers.
        own: names of what is recorded without them.

    Raises:
        FoveaError: one is not trusted, an ``auto`` is not offered, or a name is taken.
    """
    for name in nodes:
        if name in own:
            raise ConfigError(f"metrics.{name}: '{name}' is recorded anyway; give it another name")
    return {
        name: build("metrics", _filled(node, offers, f"metrics.{name}"))
        for name, node in nodes.items()
    }


def measured(metrics: Mapping[str, Metric], predictions: Predictions) -> dict[str, float]:
    """Return the value of each metric.

    Raises:
        ConfigError: one cannot be computed of these predictions.
    """
    found = {}
    for name, metric in metrics.items():
        try:
            found[name] = float(metric(predictions))
        except Exception as error:
            reason = f"{type(error).__name__}: {one_line(error, 160)}"
            rows = ", ".join(predictions.rows)
            raise ConfigError(f"metrics.{name}: {reason}; the rows are {rows}") from error
    return found


def _filled(node: Mapping[str, Any], offers: Mapping[str, Any], path: str) -> dict[str, Any]:
    filled = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            filled[key] = _filled(value, offers, f"{path}.{key}")
        else:
            filled[key] = offered(key, offers, path) if value == "auto" else value
    return filled
