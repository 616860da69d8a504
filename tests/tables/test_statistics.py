"""Statistics: by hand, and against SciPy and statsmodels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower

from fovea.tables.expressions import Reading
from fovea.tables.statistics import (
    SEEDS_CAP,
    Measurement,
    compare,
    holm,
    measure,
    ratio,
    seeds_needed,
)

OWN = {0: 0.90, 1: 0.92, 2: 0.97}
OTHER = {0: 0.88, 1: 0.91, 2: 0.93}


def readings(*values: float | str) -> dict[int, Reading]:
    return {
        seed: Reading(float(value[2:]), True) if isinstance(value, str) else Reading(value)
        for seed, value in enumerate(values)
    }


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


def test_shared_seeds_are_paired() -> None:
    told = compare(OWN, OTHER)
    assert told is not None
    # differences 0.02, 0.01, 0.04
    assert told.difference == pytest.approx(0.07 / 3, rel=1e-12)
    assert (told.paired, told.n) == (True, 3)
    test = stats.ttest_rel(list(OWN.values()), list(OTHER.values()))
    interval = test.confidence_interval(0.95)
    assert told.p == pytest.approx(test.pvalue, rel=1e-12)
    assert (told.low, told.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_the_order_in_which_seeds_came_does_not_matter() -> None:
    assert compare(dict(reversed(OWN.items())), OTHER) == compare(OWN, OTHER)


def test_a_seed_that_only_one_cell_has_is_left_out_of_pairs() -> None:
    assert compare(OWN | {7: 0.1}, OTHER | {8: 0.9}) == compare(OWN, OTHER)


def test_cells_that_share_less_than_two_seeds_are_independent() -> None:
    own, other = {0: 0.9, 1: 0.8, 2: 0.85}, {2: 0.7, 3: 0.75}
    told = compare(own, other)
    assert told is not None
    test = stats.ttest_ind(list(own.values()), list(other.values()), equal_var=False)
    assert (told.paired, told.n) == (False, 2)
    assert told.p == pytest.approx(test.pvalue, rel=1e-12)
    assert told.difference == pytest.approx(0.125, rel=1e-12)


@pytest.mark.parametrize(
    ("own", "other", "difference"),
    [
        ({0: 0.9}, {0: 0.8}, 0.1),
        ({0: 0.9}, {1: 0.8, 2: 0.6}, 0.2),
        ({0: 0.9, 1: 0.8}, {0: 0.8, 1: 0.7}, 0.1),  # equal differences: no spread to test by
        ({0: 0.9, 1: 0.9}, {5: 0.8, 6: 0.8}, 0.1),
        ({0: 5, 1: 5}, {0: 5, 1: 5}, 0),
    ],
)
def test_without_a_spread_nothing_is_tested(
    own: dict[int, float], other: dict[int, float], difference: float
) -> None:
    told = compare(own, other)
    assert told is not None
    assert told.difference == pytest.approx(difference, abs=1e-12)
    assert (told.low, told.high, told.p, told.needed) == (None, None, None, None)


def test_what_is_no_number_is_not_compared() -> None:
    assert compare({0: math.nan, 1: 1}, OTHER) is None
    assert compare(OWN, {0: math.inf}) is None
    assert compare({}, OTHER) is None


def test_a_ratio_is_of_geometric_means() -> None:
    told = ratio(readings(12, 27), readings(3, 3))
    assert told is not None
    assert told.value == pytest.approx(6, rel=1e-12)  # √(4 · 9)
    # the logs of 4 and 9: the error of their mean is ln(9/4) / 2 = ln 1.5; t(1) times it
    reach = 12.706204736432095 * math.log(1.5)
    expected = (math.log(6) - reach, math.log(6) + reach)
    assert told.low is not None
    assert told.high is not None
    assert (math.log(told.low), math.log(told.high)) == pytest.approx(expected, rel=1e-9)


def test_a_ratio_of_single_runs_has_no_interval() -> None:
    told = ratio(readings(12), readings(2))
    assert told is not None
    assert (told.value, told.low, told.high, told.bound) == (pytest.approx(6), None, None, "")


def test_a_ratio_of_runs_that_never_got_there_is_a_bound() -> None:
    above = ratio(readings("> 40", 40), readings(10, 10))
    below = ratio(readings(10, 10), readings("> 40", "> 40"))
    assert above is not None
    assert below is not None
    assert (above.value, above.bound, above.low) == (pytest.approx(4), ">", None)
    assert (below.value, below.bound, below.high) == (pytest.approx(0.25), "<", None)
    assert ratio(readings("> 40"), readings("> 40")) is None
    assert ratio(readings(0.0, 1.0), readings(1.0, 1.0)) is None


def test_holm_by_hand() -> None:
    # ordered 0.01, 0.03, 0.04: ×3, ×2, ×1, never less than the one before
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert holm([None]) == [None]
    assert holm([]) == []
    values = [0.2, 0.001, 0.8, 0.012]
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


@pytest.mark.parametrize(("paired", "test"), [(True, TTestPower()), (False, TTestIndPower())])
@pytest.mark.parametrize("effect", [0.3, 0.8, 1.5, 3.0])
def test_seeds_needed_are_the_fewest_with_that_power(
    paired: bool, test: TTestPower | TTestIndPower, effect: float
) -> None:
    count = seeds_needed(effect, paired=paired)
    assert count is not None

    def power(n: int) -> float:
        return float(test.power(effect, n, 0.025, alternative="larger"))

    assert power(count) >= 0.8 > power(count - 1)


def test_seeds_needed_at_the_ends() -> None:
    assert seeds_needed(0, paired=True) is None
    assert seeds_needed(1e-6, paired=True) == SEEDS_CAP + 1
    assert seeds_needed(1e6, paired=True) == 2
    # the textbook's: one standard deviation apart, 17 in each of two groups
    assert seeds_needed(1.0, paired=False) == 17


def test_what_differs_by_chance_is_rarely_told_apart() -> None:
    random = np.random.default_rng(0)
    values: list[Sequence[float]] = [random.normal(size=4).tolist() for _ in range(400)]
    tested = [
        compare(dict(enumerate(a)), dict(enumerate(b)))
        for a, b in zip(values[::2], values[1::2], strict=True)
    ]
    found = sum(each is not None and each.p is not None and each.p < 0.05 for each in tested)
    assert 0.01 < found / len(tested) < 0.1
