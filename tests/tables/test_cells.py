"""The choice of a tuned value."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from fovea.tables.cells import Cell, choose
from fovea.tables.definition import Choose

MakeCell = Callable[..., Cell]

EPOCHS = "epochs_to(train/accuracy >= 0.75)"
RULE = Choose(key="optimizer.lr", by=EPOCHS, better="lower", label="lr")


def grid(cell: MakeCell, **values: object) -> list[Cell]:
    return [cell({"optimizer.lr": lr}, **{EPOCHS: given}) for lr, given in values.items()]


def test_the_best_mean_is_chosen(cell: MakeCell) -> None:
    cells = grid(cell, **{"0.01": [9, 9], "0.1": [5, 6], "1": [7, 5]})
    chosen = choose(cells, RULE)
    assert (chosen.cell, chosen.value) == (cells[1], "0.1")
    assert chosen.notes == (f"lr chosen of 0.01, 0.1, 1 by {EPOCHS}, seeds 0, 1",)
    upwards = choose(cells, RULE.model_copy(update={"better": "higher"}))
    assert upwards.value == "0.01"


def test_cells_are_compared_on_the_seeds_they_share(cell: MakeCell) -> None:
    cells = grid(cell, **{"0.01": [8], "0.1": [7, 20, 20], "1": [9]})
    chosen = choose(cells, RULE)
    assert chosen.value == "0.1"
    assert chosen.notes[0].endswith("seeds 0")


def test_a_run_that_never_got_there_comes_last(cell: MakeCell) -> None:
    cells = grid(cell, **{"0.01": ["> 3", 1], "0.1": [50, 50], "1": [math.nan, 1]})
    assert choose(cells, RULE).value == "0.1"
    cells = grid(cell, **{"0.01": ["> 3", 1], "1": [math.nan, 1]})
    assert choose(cells, RULE).value == "0.01"


@pytest.mark.parametrize(("best", "at_edge"), [("0.001", True), ("0.01", False), ("0.1", True)])
def test_the_edge_of_the_grid_is_noted(cell: MakeCell, best: str, at_edge: bool) -> None:
    cells = grid(cell, **{lr: [1 if lr == best else 2] for lr in ("0.1", "0.001", "0.01")})
    (note,) = choose(cells, RULE).notes
    assert ("at the edge of what was tried" in note) == at_edge


def test_ties_and_what_was_not_run_are_noted(cell: MakeCell) -> None:
    cells = grid(cell, **{"0.01": [None], "0.1": [5], "0.2": [5], "1": [6]})
    chosen = choose(cells, RULE)
    assert chosen.value == "0.1"
    assert "; tied with 0.2; not run: 0.01" in chosen.notes[0]


def test_without_results_nothing_is_chosen(cell: MakeCell) -> None:
    cells = grid(cell, **{"0.01": [None], "0.1": [None]})
    assert choose(cells, RULE).value == ""
    assert choose(cells, RULE).notes == ()
    assert choose(cells[:1], RULE).value == "0.01"
