"""How verdicts and published values are printed."""

from __future__ import annotations

from typing import Any

import pytest

from fovea.tables.definition import Column
from fovea.tables.references import Reference
from fovea.tables.shown import shown_reference, shown_verdict
from fovea.tables.verdicts import Verdict

ACCURACY = Column(metric="test/accuracy", label="accuracy", format="percent", better="higher")


def reference(value: float | list[float] = 0.9, **more: Any) -> Reference:
    given = {"row": "a", "column": "x", "source": "a paper", "evidence": "P", "value": value}
    return Reference.model_validate(given | more)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict("reproduced", 12), "reproduced"),  # a count
        (
            Verdict("reproduced", -0.0007, -0.002, 0.0006, 0.0016),
            "reproduced (−0.07 pp, within ±0.16 pp)",
        ),
        (Verdict("reproduced", 0, -0.002, 0.002), "reproduced (0.00 pp, within its range)"),
        (Verdict("better", 0.02, 0.019, 0.021, 0.01), "better by 2.00 pp"),
        (Verdict("short", -0.02, -0.021, -0.019, 0.01), "short by 2.00 pp"),
        (
            Verdict("consistent", -0.0011, -0.0026, 0.0004, 0.002, 5),
            "consistent (−0.11 pp [−0.26, 0.04]; n = 5 could show it within ±0.20 pp)",
        ),
        (
            Verdict("consistent", -0.0011, -0.0026, 0.0004, 0.002, 1001),
            "consistent (−0.11 pp [−0.26, 0.04]; to show it within ±0.20 pp would take n > 1,000)",
        ),
        (
            Verdict("consistent", -0.0011, -0.0026, 0.0004, 0.001),
            "consistent (−0.11 pp [−0.26, 0.04]; no n would show it within ±0.10 pp)",
        ),
        (
            Verdict("near, not equal", 0.0011, 0.0002, 0.002, 0.001),
            "near, not equal (+0.11 pp [0.02, 0.20])",
        ),
        (Verdict("one run", -0.00971, margin=0.01), "one run (−0.97 pp, no verdict)"),
        (Verdict("met", 0.01, 0.005, 0.015), "met"),
        (Verdict("missed", -0.0588, -0.06, -0.05), "missed by 5.88 pp"),
        (Verdict("undecided", -0.005, -0.068, 0.058), "undecided (−0.50 pp [−6.80, 5.80])"),
        (
            Verdict("no verdict", 0.000001, why="a best of 5 has no interval"),
            "no verdict (0.00 pp: a best of 5 has no interval)",
        ),
        (Verdict("not comparable", why="another split"), "not comparable (another split)"),
        (Verdict("not measured"), "–"),
    ],
)
def test_a_verdict_is_its_word_and_what_it_rests_on(verdict: Verdict, text: str) -> None:
    assert shown_verdict(verdict, reference(), ACCURACY) == text


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict("short", -4.77, -5, -4.5, 0.05), "short by 4.77"),
        (Verdict("better", 1.5, margin=0.05, why="a run ended"), "better by more than 1.50"),
        (Verdict("undecided", 1.5, margin=0.05, why="a run ended"), "undecided (a run ended)"),
        (
            Verdict("consistent", 0.001, -0.48, 0.52, 0.05, 8),
            "consistent (0.00 [−0.48, 0.52]; n = 8 could show it within ±5 %)",
        ),
    ],
)
def test_a_verdict_of_a_ratio_has_no_unit(verdict: Verdict, text: str) -> None:
    assert shown_verdict(verdict, reference(6, ratio=True), ACCURACY) == text


@pytest.mark.parametrize(
    ("published", "text"),
    [
        (reference(0.9), "90.00 %"),
        (reference(0.9, std=0.001, n=5), "90.00 ± 0.10 % (n = 5)"),
        (reference([0.78, 0.82]), "78.00 to 82.00 %"),
        (reference(0.99, bound=True), "> 99.00 %"),
        (reference(0.93, aggregate="best", n=5), "93.00 % (best, n = 5)"),
        (reference(0.93, aggregate="median"), "93.00 % (median)"),
        (reference([8, 9], ratio=True), "8 to 9 ×"),
    ],
)
def test_a_published_value(published: Reference, text: str) -> None:
    assert shown_reference(published, ACCURACY) == text
