"""Statistics: by hand, and against SciPy and statsmodels."""

from __future__ import annotations

import itertools
import math
from functools import partial
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fovea.stats.estimates import (
    Measurement,
    Sample,
    compare,
    half_width,
    holm,
    measure,
    ratio,
    sample,
    t_quantile,
)

# Other tests of the process have its processor take subnormal numbers for zero.
reals = partial(st.floats, allow_subnormal=False)

OWN = [0.90, 0.92, 0.97]
OTHER = [0.88, 0.91, 0.93]


def test_mean_deviation_and_interval_by_hand() -> None:
    # mean 4; squares of −2, 0, 0, 2 are 8 in sum; 8 / 3; t(3) is 3.182446
    measured = measure([2, 4, 4, 6])
    assert measured is not None
    assert (measured.mean, measured.n) == (4, 4)
    assert measured.std == pytest.approx(math.sqrt(8 / 3), rel=1e-15)
    half = 3.182446305284263 * math.sqrt(8 / 3) / 2
    assert (measured.low, measured.high) == pytest.approx((4 - half, 4 + half), rel=1e-12)
    assert measure([0.5]) == Measurement(mean=0.5, std=None, n=1)
    assert measure([]) is None


def test_two_runs_have_the_wide_interval_they_have() -> None:
    # the mean's error is |a − b| / 2; t(1) is 12.7062
    measured = measure([0.0, 1.0])
    assert measured is not None
    assert measured.high == pytest.approx(0.5 + 12.706204736432095 / 2, rel=1e-9)


def test_the_interval_of_a_share_ends_where_shares_do() -> None:
    measured = measure([0.99, 1.0], share=True)
    assert measured is not None
    assert measured.low == pytest.approx(0.995 - 0.005 * 12.706204736432095, rel=1e-9)
    assert measured.high == 1
    mirrored = measure([0.0, 0.01], share=True)
    assert mirrored is not None
    assert (mirrored.low, mirrored.high) == (0, pytest.approx(1 - measured.low, rel=1e-9))


def test_a_diverged_run_is_not_averaged_away() -> None:
    measured = measure([math.nan, 1.0])
    assert measured is not None
    assert math.isnan(measured.mean)
    assert measured.std is not None
    assert math.isnan(measured.std)


def test_equal_runs_are_exact_unless_they_are_counted_in_steps() -> None:
    assert sample([0.9, 0.9, 0.9]) == Sample(pytest.approx(0.9), 0.0, 3)
    assert sample([0.9, 0.9 + 1e-8, 0.9]).spread == 0.0  # of float32
    whole = measure([9, 9, 9], resolution=1)
    assert whole is not None
    assert whole.std == 0
    assert whole.high == pytest.approx(9 + 4.302652729911275 * math.sqrt(1 / 12 / 3), rel=1e-9)
    # a spread that was seen is not added to
    assert sample([8, 9, 9], 1).spread == pytest.approx(math.sqrt(1 / 3), rel=1e-12)
    assert measure([9, 9, 9]) == Measurement(9, 0, 3, 9, 9)


def test_independent_runs_are_compared_by_welch() -> None:
    for own, other in ((OWN, OTHER), ([0.9, 0.8, 0.85], [0.7, 0.75])):
        compared = compare(own, other)
        assert compared is not None
        test = stats.ttest_ind(own, other, equal_var=False)
        interval = test.confidence_interval(0.95)
        assert (compared.paired, compared.n) == (False, len(other))
        assert compared.difference == pytest.approx(fmean(own) - fmean(other), rel=1e-12)
        assert compared.p == pytest.approx(test.pvalue, rel=1e-9)
        assert (compared.low, compared.high) == pytest.approx(
            (interval.low, interval.high), rel=1e-9
        )


def test_one_cell_without_spread_leaves_the_other_its_degrees() -> None:
    compared = compare([9, 9, 9], [7, 7, 8])
    assert compared is not None
    assert compared.degrees == pytest.approx(2)
    assert compared.p == pytest.approx(stats.ttest_1samp([7, 7, 8], 9).pvalue, rel=1e-9)


def test_pairs() -> None:
    compared = compare(OWN, OTHER, paired=True)
    assert compared is not None
    # differences 0.02, 0.01, 0.04
    assert compared.difference == pytest.approx(0.07 / 3, rel=1e-12)
    assert (compared.paired, compared.n) == (True, 3)
    test = stats.ttest_rel(OWN, OTHER)
    interval = test.confidence_interval(0.95)
    assert compared.p == pytest.approx(test.pvalue, rel=1e-9)
    assert (compared.low, compared.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize(
    ("own", "other", "paired", "p"),
    [
        ([5, 5, 5], [7, 7, 7], False, 2 / 20),
        ([0.9] * 5, [0.8] * 5, False, 2 / 252),
        ([0.9, 0.9], [0.8, 0.8, 0.8], False, 2 / 10),
        ([0.9, 0.8, 0.7], [0.8, 0.7, 0.6], True, 2 / 8),
        ([5, 5], [5, 5], False, 1),
        ([0.9, 0.8], [0.9, 0.8], True, 1),
    ],
)
def test_without_a_spread_the_test_is_of_permutations(
    own: list[float], other: list[float], paired: bool, p: float
) -> None:
    compared = compare(own, other, paired=paired)
    assert compared is not None
    assert compared.p == pytest.approx(p)
    assert (compared.low, compared.high, compared.needed) == (None, None, None)
    if not paired and p < 1:  # as many as all divisions of the runs say
        every = [*own, *other]
        splits = list(itertools.combinations(range(len(every)), len(own)))
        apart = [
            fmean(every[i] for i in split)
            - fmean(every[i] for i in range(len(every)) if i not in split)
            for split in splits
        ]
        as_far = sum(each >= max(apart) - 1e-9 for each in apart)
        assert p == pytest.approx(2 * as_far / len(splits))


def test_single_runs_have_no_test() -> None:
    for own, other in (([0.9], [0.8]), ([0.9], [0.8, 0.6]), ([0.9, 0.8], [0.7])):
        compared = compare(own, other)
        assert compared is not None
        assert compared.difference == pytest.approx(fmean(own) - fmean(other))
        assert (compared.p, compared.low, compared.needed, compared.n) == (None, None, None, 1)


def test_what_is_no_number_is_not_compared() -> None:
    assert compare([math.nan, 1], OTHER) is None
    assert compare(OWN, [math.inf]) is None
    assert compare([], OTHER) is None


def test_intervals_of_several_hold_together() -> None:
    compared = compare(OWN, OTHER)
    assert compared is not None
    assert compared.low is not None
    assert compared.high is not None
    three = compared.among(3)
    interval = stats.ttest_ind(OWN, OTHER, equal_var=False).confidence_interval(1 - 0.05 / 3)
    assert (three.low, three.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert three.confidence == pytest.approx(1 - 0.05 / 3)
    assert compared.among(1) == compared
    equal = compare([0.9, 0.9], [0.8, 0.8])
    assert equal is not None
    assert equal.among(3) == equal


def test_together_they_miss_one_in_twenty_times_at_most() -> None:
    random = np.random.default_rng(0)
    draws = random.normal(size=(200, 4, 4))  # 200 tables of a baseline and three rows
    missed = 0
    for base, *rows in draws.tolist():
        intervals = [compare(row, base) for row in rows]
        assert all(intervals)
        together = [each.among(3) for each in intervals if each]
        missed += any(each.low > 0 or each.high < 0 for each in together if each.low and each.high)
    assert missed / len(draws) < 0.07


def test_a_half_width_is_welchs_and_not_below_that_of_a_part() -> None:
    parts = [(0.04, 4), (0.09, 9)]
    degrees = 0.13**2 / (0.04**2 / 4 + 0.09**2 / 9)
    assert half_width(parts) == pytest.approx(
        stats.t.ppf(0.975, degrees) * math.sqrt(0.13), rel=1e-12
    )
    assert half_width([(0.04, 4)]) == pytest.approx(2.7764451051977987 * 0.2, rel=1e-9)
    assert half_width([]) == half_width([(0.0, 2)]) == 0
    # Welch's alone: t falls from 6.31 to 2.0 while the error grows by a tenth
    one, both = [(1.0, 1)], [(1.0, 1), (0.2, 100)]
    degrees = 1.2**2 / (1 + 0.2**2 / 100)
    assert t_quantile(degrees, 0.9) * math.sqrt(1.2) < half_width(one, 0.9)
    assert half_width(both, 0.9) == half_width(one, 0.9)


@given(
    reals(0, 10),
    reals(0, 10),
    reals(0, 10),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([0.9, 0.95]),
)
def test_more_noise_never_makes_an_interval_narrower(
    less: float, more: float, other: float, degrees: int, others: int, confidence: float
) -> None:
    less, more = sorted((less, more))
    narrow = half_width([(less, degrees), (other, others)], confidence)
    wide = half_width([(more, degrees), (other, others)], confidence)
    assert narrow <= wide * (1 + 1e-9)


def test_a_ratio_is_of_geometric_means() -> None:
    divided = ratio([12, 27], [3, 3], paired=True)
    assert divided is not None
    assert divided.value == pytest.approx(6, rel=1e-12)  # √(4 · 9)
    # the logs of 4 and 9: the error of their mean is ln(9/4) / 2 = ln 1.5; t(1) times it
    reach = 12.706204736432095 * math.log(1.5)
    expected = (math.log(6) - reach, math.log(6) + reach)
    assert divided.low is not None
    assert divided.high is not None
    assert (math.log(divided.low), math.log(divided.high)) == pytest.approx(expected, rel=1e-9)


def test_a_ratio_of_independent_runs_is_welchs_in_logarithms() -> None:
    own, other = [58.0, 60.0, 64.0, 61.0], [9.0, 10.0, 11.5, 10.0]
    divided = ratio(own, other)
    assert divided is not None
    logs = np.log(own), np.log(other)
    interval = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert divided.value == pytest.approx(np.exp(logs[0].mean() - logs[1].mean()), rel=1e-12)
    alone = stats.t.ppf(0.975, 3) * logs[1].std(ddof=1) / 2
    middle = math.log(divided.value)
    assert interval.high - middle < alone  # Welch's would be below that of the second cell
    assert divided.high == pytest.approx(math.exp(middle + alone), rel=1e-9)


def test_a_ratio_of_whole_epochs_has_the_spread_of_rounding() -> None:
    divided = ratio([42, 42, 42], [7, 7, 7], resolution=1)
    assert divided is not None
    assert [each.spread for each in divided.samples] == pytest.approx(
        [1 / math.sqrt(12) / 42, 1 / math.sqrt(12) / 7], rel=1e-9
    )
    exact = ratio([42.0, 42.0, 42.0], [7.0, 7.0, 7.0])
    assert exact is not None
    assert (exact.low, exact.high) == pytest.approx((6, 6), rel=1e-12)


def test_a_ratio_of_single_runs_has_no_interval() -> None:
    divided = ratio([12], [2])
    assert divided is not None
    assert (divided.value, divided.low, divided.high) == (pytest.approx(6), None, None)
    assert divided.bound == ""


def test_a_ratio_of_runs_that_never_got_there_is_a_bound() -> None:
    above = ratio([40, 40], [10, 10], censored=(True, False))
    below = ratio([10, 10], [40, 40], censored=(False, True))
    assert above is not None
    assert below is not None
    assert (above.value, above.bound, above.low) == (pytest.approx(4), ">", None)
    assert (below.value, below.bound, below.high) == (pytest.approx(0.25), "<", None)
    assert ratio([40], [40], censored=(True, True)) is None
    assert ratio([0.0, 1.0], [1.0, 1.0]) is None
    assert ratio([], [1.0]) is None


def test_holm_by_hand() -> None:
    # ordered 0.01, 0.03, 0.04: ×3, ×2, ×1, never less than the one before
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert holm([None]) == [None]
    assert holm([]) == []
    values = [0.2, 0.001, 0.8, 0.012]
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


def test_what_differs_by_chance_is_rarely_told_apart() -> None:
    random = np.random.default_rng(0)
    values: list[list[float]] = random.normal(size=(400, 4)).tolist()
    tested = [compare(a, b) for a, b in zip(values[::2], values[1::2], strict=True)]
    found = sum(each is not None and each.p is not None and each.p < 0.05 for each in tested)
    assert 0.01 < found / len(tested) < 0.1


def test_overlapping_runs_by_hand() -> None:
    # differences 1, 2, 3, 6: mean 3, variance 14 / 3; four folds: 1 / 4 + 1 / 3 of it is 49 / 18
    own, other = [11.0, 12.0, 13.0, 16.0], [10.0, 10.0, 10.0, 10.0]
    compared = compare(own, other, paired=True, overlaps=(1 / 3, 1 / 3))
    assert compared is not None
    error = math.sqrt(49 / 18)
    assert compared.error == pytest.approx(error)
    assert compared.p == pytest.approx(2 * stats.t.sf(3 / error, 3))
    assert compared.high == pytest.approx(3 + stats.t.ppf(0.975, 3) * error)
    assert compared.needed is None
    independent = compare(own, other, paired=True)
    assert independent is not None
    assert independent.p == pytest.approx(stats.ttest_rel(own, other).pvalue)
    # of two cells each has its own error
    apart = compare(own, [1.0, 2.0], overlaps=(1 / 3, 0.0))
    assert apart is not None
    assert apart.error == pytest.approx(math.sqrt(49 / 18 + 0.5 / 2))
    # equal differences claim nothing: no permutation of overlapping runs is exact
    equal = compare([2.0, 3.0], [1.0, 2.0], paired=True, overlaps=(1, 1))
    assert equal is not None
    assert equal.p == 1
    measured = measure(own, overlap=1 / 3)
    assert measured is not None
    assert measured.high == pytest.approx(13 + stats.t.ppf(0.975, 3) * error)
    of_logs = ratio([math.exp(v) for v in own], [1.0, 1.0], overlaps=(1 / 3, 0.0))
    assert of_logs is not None
    assert of_logs.high == pytest.approx(math.exp(13 + stats.t.ppf(0.975, 3) * error))
