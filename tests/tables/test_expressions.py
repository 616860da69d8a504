"""Metric expressions: their text, and what they are of a history."""

from __future__ import annotations

import math
import re

import pytest

from fovea.records.quantities import of_record
from fovea.tables.expressions import Reading, parse_metric

QUANTITIES = of_record({})

HISTORY = [
    {"epoch": 1.0, "step": 10.0, "seconds": 2.0, "train/accuracy": 0.5, "val/loss": 1.0},
    {"epoch": 2.0, "step": 20.0, "seconds": 1.5, "train/accuracy": 0.8, "val/loss": 0.25},
    {"epoch": 3.0, "step": 30.0, "seconds": 1.5, "train/accuracy": 0.75, "val/loss": 0.5},
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("parameters", 1000),
        ("best(train/accuracy)", 0.8),
        ("best(val/loss)", 0.25),
        ("last(train/accuracy)", 0.75),
        ("epochs_to(train/accuracy >= 0.75)", 2),
        ("steps_to(train/accuracy >= 0.75)", 20),
        ("seconds_to(train/accuracy >= 0.75)", 3.5),
        ("epochs_to(val/loss <= 1)", 1),
    ],
)
def test_an_expression_of_a_run(text: str, value: float) -> None:
    assert parse_metric(text).read({"parameters": 1000}, HISTORY, QUANTITIES) == Reading(value)


def test_a_run_that_never_gets_there_is_censored_where_it_ended() -> None:
    reading = parse_metric("steps_to(train/accuracy >= 0.9)").read({}, HISTORY, QUANTITIES)
    assert reading == Reading(30, censored=True)
    assert str(reading) == "> 30"


def test_what_was_not_recorded_is_nothing() -> None:
    assert parse_metric("test/accuracy").read({}, HISTORY, QUANTITIES) is None
    assert parse_metric("best(test/accuracy)").read({}, HISTORY, QUANTITIES) is None
    assert parse_metric("epochs_to(test/accuracy >= 0.1)").read({}, HISTORY, QUANTITIES) is None
    assert parse_metric("last(val/loss)").read({}, [], QUANTITIES) is None


def test_a_diverged_epoch_is_neither_best_nor_there() -> None:
    rows = [*HISTORY, {"epoch": 4.0, "step": 40.0, "val/loss": math.nan}]
    assert parse_metric("best(val/loss)").read({}, rows, QUANTITIES) == Reading(0.25)
    assert parse_metric("epochs_to(val/loss <= 0.1)").read({}, rows, QUANTITIES) == Reading(
        4, censored=True
    )
    last = parse_metric("last(val/loss)").read({}, rows, QUANTITIES)
    assert last is not None
    assert math.isnan(last.value)
    only = parse_metric("best(val/loss)").read({}, rows[3:], QUANTITIES)
    assert only is not None
    assert math.isnan(only.value)


def test_an_expression_has_one_text() -> None:
    for text in ("epochs_to( train/accuracy>=.750 )", "epochs_to(train/accuracy  >=  0.75)"):
        assert str(parse_metric(text)) == "epochs_to(train/accuracy >= 0.75)"
    assert str(parse_metric(" best( val/loss ) ")) == "best(val/loss)"


def test_what_is_counted_in_whole_epochs_says_so() -> None:
    note = parse_metric("steps_to(train/accuracy >= 0.75)").note
    assert note is not None
    assert note.startswith(
        "steps to the end of the first epoch with train/accuracy >= 0.75, in whole epochs; train/"
    )
    assert "while the weights move" not in (
        parse_metric("epochs_to(val/accuracy >= 0.5)").note or ""
    )
    assert parse_metric("best(val/accuracy)").note is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("test accuracy", "'test accuracy' is no metric expression such as test/loss, "),
        ("epoch_to(a >= 1)", "'epoch_to' in 'epoch_to(a >= 1)': unknown; did you mean 'epochs_to'"),
        ("epochs_to(a)", "'epochs_to(a)': epochs_to takes a threshold, >= or <="),
        ("best(a >= 1)", "'best(a >= 1)': best takes a metric alone"),
        ("steps_to(a >= high)", "'steps_to(a >= high)': 'high' is not a number"),
        ("best(a", "'best(a' is no metric expression"),
        ("", "'' is no metric expression"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        parse_metric(text)
