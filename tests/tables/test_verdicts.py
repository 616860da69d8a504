"""Verdicts: the rule, case by case, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import stats

from fovea.tables.definition import Column, Reference
from fovea.tables.statistics import Ratio, measure
from fovea.tables.verdicts import Verdict, judge, judge_ratio

ACCURACY = Column(metric="test/accuracy", label="accuracy", format="percent", better="higher")
COUNT = Column(metric="parameters", label="parameters", format="count")


def reference(value: float, **more: Any) -> Reference:
    given = {"row": "a", "column": "x", "source": "a paper, Table 1", "evidence": "P"}
    return Reference.model_validate(given | {"value": value} | more)


def kind(values: list[float], published: Reference, column: Column = ACCURACY) -> str:
    return judge(measure(values), published, column).kind


def test_a_published_value_is_one_more_run_of_ours() -> None:
    # mean 0.80, s 0.01, n 3: half width t(2) · 0.01 · √(1/3 + 1) = 4.302653 · 0.0115470
    verdict = judge(measure([0.79, 0.80, 0.81]), reference(0.805), ACCURACY)
    assert verdict.kind == "reproduced"
    assert verdict.difference == pytest.approx(-0.005)
    assert verdict.half == pytest.approx(4.302652729911275 * 0.01 * math.sqrt(4 / 3), rel=1e-9)


def test_the_mean_of_many_runs_is_known_better() -> None:
    verdict = judge(measure([0.79, 0.80, 0.81]), reference(0.805, n=5), ACCURACY)
    assert verdict.half == pytest.approx(4.302652729911275 * 0.01 * math.sqrt(8 / 15), rel=1e-9)


def test_both_spreads_make_it_welch() -> None:
    own = [0.79, 0.80, 0.82]
    verdict = judge(measure(own), reference(0.85, std=0.02, n=5), ACCURACY)
    variances = 0.0152752523165194**2 / 3, 0.02**2 / 5
    degrees = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 4)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(sum(variances))
    assert verdict.half == pytest.approx(half, rel=1e-9)


def test_a_single_run_is_judged_by_the_spread_of_the_source() -> None:
    verdict = judge(measure([0.80]), reference(0.83, std=0.01, n=5), ACCURACY)
    assert verdict.half == pytest.approx(stats.t.ppf(0.975, 4) * 0.01 * math.sqrt(1.2), rel=1e-9)
    assert verdict.kind == "undecided"
    # a spread of one run is none
    assert judge(measure([0.80]), reference(0.83, std=0.01), ACCURACY).half is None


@pytest.mark.parametrize(
    ("values", "published", "expected"),
    [
        ([0.899, 0.9, 0.901], 0.95, "short"),
        ([0.899, 0.9, 0.901], 0.85, "better"),
        ([0.899, 0.9, 0.901], 0.902, "reproduced"),
        ([0.86, 0.9, 0.94], 0.95, "undecided"),  # within ± 0.2, but 5 points off
        ([0.9], 0.905, "reproduced"),
        ([0.9], 0.95, "short"),
        ([0.9], 0.85, "better"),
        ([0.9, 0.9], 0.905, "reproduced"),  # equal runs tell no more than one
        ([0.9, 0.9], 0.95, "short"),
        ([math.nan, 0.9], 0.9, "not comparable"),
        ([], 0.9, "not measured"),
    ],
)
def test_the_rule(values: list[float], published: float, expected: str) -> None:
    assert kind(values, reference(published)) == expected


def test_lower_may_be_better() -> None:
    error = Column(metric="test/error", label="error", better="lower")
    assert kind([0.10, 0.101], reference(0.2), error) == "better"
    assert kind([0.30, 0.301], reference(0.2), error) == "short"
    neither = Column(metric="test/error", label="error")
    assert kind([0.30, 0.301], reference(0.2), neither) == "differs"


def test_a_bound_is_met_from_its_better_side() -> None:
    assert kind([0.96], reference(0.95, bound=True)) == "reproduced"
    assert kind([0.99, 0.991], reference(0.95, bound=True)) == "reproduced"
    assert kind([0.90, 0.901], reference(0.95, bound=True)) == "short"
    # the bound has no spread of its own: t(1) · s / √2 alone
    verdict = judge(measure([0.90, 0.901]), reference(0.95, bound=True), ACCURACY)
    assert verdict.half == pytest.approx(12.706204736432095 * 0.0005, rel=1e-9)


def test_a_count_is_exact_or_as_the_source_rounds_it() -> None:
    assert kind([269_722], reference(269_722), COUNT) == "reproduced"
    assert kind([269_722], reference(270_000), COUNT) == "differs"
    assert kind([269_722] * 3, reference(270_000, margin=5_000), COUNT) == "reproduced"


def test_other_protocols_are_not_compared_unless_they_may_be() -> None:
    differs = ["trained on 45,000 images", "best epoch on test"]
    verdict = judge(measure([0.9]), reference(0.9, differs=differs), ACCURACY)
    assert verdict == Verdict("not comparable", why="trained on 45,000 images; best epoch on test")
    assert kind([0.9], reference(0.9, differs=differs, comparable=True)) == "reproduced"


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (Ratio(5.9, 4.8, 7.1), "reproduced"),
        (Ratio(4.0, 1.0, 16.0), "undecided"),
        (Ratio(3.0, 2.5, 3.6), "short"),
        (Ratio(9.0, 8.0, 10.0), "better"),
        (Ratio(6.1, None, None), "reproduced"),
        (Ratio(3.0, None, None), "short"),
        (Ratio(7.0, None, None, ">"), "better"),
        (Ratio(4.0, None, None, ">"), "undecided"),
        (Ratio(4.0, None, None, "<"), "undecided"),
        (None, "not measured"),
    ],
)
def test_a_ratio_is_held_against_the_claimed_one(ratio: Ratio | None, expected: str) -> None:
    assert judge_ratio(ratio, reference(6, ratio=True)).kind == expected


def test_a_claimed_ratio_below_one_is_beaten_from_below() -> None:
    assert judge_ratio(Ratio(0.2, 0.18, 0.22), reference(0.5, ratio=True)).kind == "better"
    assert judge_ratio(Ratio(0.8, 0.7, 0.9), reference(0.5, ratio=True)).kind == "short"
