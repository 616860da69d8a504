"""Cells made by hand: what each seed gave, without any training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from fovea.tables.cells import Cell, Repeat
from fovea.tables.expressions import Reading
from fovea.tables.results import Result

MakeCell = Callable[..., Cell]


@pytest.fixture
def cell() -> MakeCell:
    """``cell({"model": "mlp"}, **{"test/accuracy": [0.9, None]})``: a value per seed from 0.

    ``None`` is a seed that is not run, and ``"> 20"`` a run that ended before it got there. With
    ``folds`` the values are those of the folds under seed 0, then under seed 1 and so on.
    """

    def make(
        values: dict[str, str],
        *,
        notes: Sequence[str] = (),
        data: str = "d",
        folds: int = 0,
        **metrics: object,
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

        def repeat(index: int) -> Repeat:
            return Repeat(*divmod(index, folds)) if folds else Repeat(index)

        results = {
            repeat(index): Result(
                f"{name}-{index}", repeat(index).seed, of_run, tuple(notes), {"data": data}
            )
            for index, of_run in readings.items()
        }
        runs = {repeat(index): f"{name}-{index}" for index in range(planned)}
        pairs = {each: str(each.fold) for each in runs} if folds else {}
        return Cell(values, runs, results, pairs, folds)

    return make
