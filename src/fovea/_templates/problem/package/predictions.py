"""What is kept of every sample, and what is measured by it. No torch: records are read by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fovea.problems.predictions import Predictions
from fovea.records.quantities import Quantity


class SeriesPredictions(Predictions):
    """Of every sample ``target`` and ``prediction``."""

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "mae": Quantity("mean absolute error", better="lower"),
        "r2": Quantity("R²", better="higher"),
    }

    def metrics(self) -> dict[str, float]:
        target, error = self.rows["target"], self._errors()
        unexplained = float((error**2).sum() / ((target - target.mean()) ** 2).sum())
        return {"mae": float(np.abs(error).mean()), "r2": 1 - unexplained}

    def scores(self) -> NDArray[Any]:
        """Higher is better: ``fovea compare`` tests them in pairs."""
        return -np.abs(self._errors())

    def _errors(self) -> NDArray[Any]:
        return self.rows["prediction"] - self.rows["target"]
