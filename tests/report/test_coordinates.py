"""Where runs lie on parallel axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fovea.report.coordinates import coordinates


def places(values: Sequence[Any]) -> dict[str, float]:
    """Return the place on an axis of each run that is on it."""
    runs = [f"run {index}" for index in range(len(values))]
    rows = coordinates(runs, runs, {"key": values}, {})
    assert {row["axis"] for row in rows} <= {"key"}
    return {row["run"]: row["place"] for row in rows}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 5], [0, 0.25, 1]),
        ([0.001, 0.01, 0.1], [0, 0.5, 1]),  # logarithmic: a factor of ten or more
        ([0, 50, 100], [0, 0.5, 1]),  # not logarithmic: there is a zero
        ([3, 3], [0.5, 0.5]),
        (["adam", "sgd", "adam", "muon"], [0, 0.5, 0, 1]),
        (["only"], [0]),
        ([True, False], [0, 1]),
        ([20, "auto"], [0, 1]),
    ],
)
def test_places(values: list[Any], expected: list[float]) -> None:
    assert list(places(values).values()) == expected


@pytest.mark.parametrize("values", [[1, None, 2], ["a", None, "b"]])
def test_a_run_without_a_value_is_not_on_the_axis(values: list[Any]) -> None:
    assert places(values) == {"run 0": 0, "run 2": 1}


def test_the_last_axis_holds_every_metric() -> None:
    rows = coordinates(["a", "b"], ["x", "y"], {"lr": [1, 2]}, {"acc": [0.5, None], "f1": [1, 2]})
    assert [(row["axis"], row["metric"], row["run"], row["order"]) for row in rows] == [
        ("lr", None, "a", 0),
        ("lr", None, "b", 0),
        ("result", "acc", "a", 1),
        ("result", "f1", "a", 1),
        ("result", "f1", "b", 1),
    ]
    assert [row.get("result") for row in rows] == [None, None, 0.5, 1, 2]


def test_of_many_values_the_ends_are_labelled() -> None:
    rows = coordinates(
        [str(i) for i in range(20)], [""] * 20, {}, {"acc": [i / 7 for i in range(20)]}
    )
    assert [row["label"] for row in rows if row["label"]] == ["0", "2.714"]
