"""Cells, and the choice of one: the best of those in which a key was tuned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

from fovea.tables.definition import Choose
from fovea.tables.expressions import Reading
from fovea.tables.results import Result


class Repeat(NamedTuple):
    """What tells a run from others of its cell: its seed, and in a cross-validation its fold."""

    seed: int
    fold: int | None = None

    def __str__(self) -> str:
        return str(self.seed) if self.fold is None else f"{self.seed} (fold {self.fold})"


@dataclass(frozen=True)
class Cell:
    """The runs of one config over its seeds and folds.

    Args:
        values: what tells it from other cells: config groups and keys, as text.
        runs: the id of every planned run.
        results: of those that are there.
        pairs: of every run, the value by which it is paired with another cell's; empty where
            nothing is paired.
        folds: of the cross-validation that its runs are of; 0 where they are of none.
    """

    values: Mapping[str, str]
    runs: Mapping[Repeat, str]
    results: Mapping[Repeat, Result]
    pairs: Mapping[Repeat, str] = field(default_factory=dict)
    folds: int = 0

    def readings(self, metric: str) -> dict[Repeat, Reading]:
        """Return a metric of each run that recorded it."""
        return {
            repeat: result.values[metric]
            for repeat, result in sorted(self.results.items())
            if metric in result.values
        }


@dataclass(frozen=True)
class Choice:
    """The cell chosen, the value it was chosen for, and what to say of that."""

    cell: Cell
    value: str
    notes: tuple[str, ...] = ()


def choose(candidates: Sequence[Cell], rule: Choose) -> Choice:
    """Choose of the cells that differ in the rule's key the best one.

    Cells are compared by their means over the seeds that all of them with results have (in a
    cross-validation, seeds and folds), or over their own where they share none. A cell in which a
    run never got there comes after those in which all did, and one with a value that is no number
    last. Of equals it is the first. Without any result nothing is chosen, and the value is empty.
    """
    measured = [(cell, cell.readings(rule.by)) for cell in candidates]
    measured = [(cell, readings) for cell, readings in measured if readings]
    if not measured:
        return Choice(candidates[0], candidates[0].values[rule.key] if len(candidates) == 1 else "")
    shared = set.intersection(*(set(readings) for _, readings in measured))
    scores = []
    for _, readings in measured:
        told = [reading for repeat, reading in readings.items() if repeat in shared or not shared]
        mean = fmean(reading.value for reading in told)
        worst = math.isnan(mean)
        score = 0.0 if worst else mean if rule.better == "lower" else -mean
        scores.append((worst, sum(reading.censored for reading in told), score))
    best = scores.index(min(scores))
    cell = measured[best][0]
    value = cell.values[rule.key]
    grid = [each.values[rule.key] for each in candidates]
    label = rule.label or rule.key
    if len(grid) == 1:
        return Choice(cell, value)
    seeds = ", ".join(map(str, sorted(shared))) or "of each"
    notes = [f"{label} chosen of {', '.join(grid)} by {rule.by}, seeds {seeds}"]
    ties = [
        other.values[rule.key]
        for (other, _), score in zip(measured, scores, strict=True)
        if score == scores[best] and other is not cell
    ]
    if ties:
        notes.append(f"tied with {', '.join(ties)}")
    if missing := [each.values[rule.key] for each in candidates if not each.readings(rule.by)]:
        notes.append(f"not run: {', '.join(missing)}")
    if value in _edges(grid):
        notes.append("the best is at the edge of what was tried: a better one may lie beyond")
    return Choice(cell, value, ("; ".join(notes),))


def _edges(grid: Sequence[str]) -> set[str]:
    """Return the smallest and the largest value; none where they are not numbers."""
    try:
        ordered = sorted(grid, key=float)
    except ValueError:
        return set()
    return {ordered[0], ordered[-1]}
