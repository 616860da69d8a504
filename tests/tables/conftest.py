"""Cells made by hand: what each seed gave, without any training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from fovea.tables.cells import Cell
from fovea.tables.expressions import Reading
from fovea.tables.results import Result

MakeCell = Callable[..., Cell]


@pytest.fixture
def cell() -> MakeCell:
    """``cell({"model": "mlp"}, **{"test/accuracy": [0.9, None]})``: a value per seed from 0.

    ``None`` is a seed that is not run, and ``"> 20"`` a run that ended before it got there.
    """

    def make(
        values: dict[str, str], *, notes: Sequence[str] = (), data: str = "d", **metrics: object
    ) -> Cell:
        name = "-".join(values.values())
        readings: dict[int, dict[str, Reading]] = {}
        planned = 1
        for metric, of_seeds in metrics.items():
            assert isinstance(of_seeds, list)
            planned = max(planned, len(of_seeds))
            for seed, value in enumerate(of_seeds):
                if isinstance(value, str):
                    readings.setdefault(seed, {})[metric] = Reading(float(value[2:]), True)
                elif value is not None:
                    readings.setdefault(seed, {})[metric] = Reading(value)
        results = {
            seed: Result(f"{name}-{seed}", seed, of_seed, tuple(notes), {"data": data})
            for seed, of_seed in readings.items()
        }
        return Cell(values, {seed: f"{name}-{seed}" for seed in range(planned)}, results)

    return make
