"""Numbers of runs: against statsmodels, and against what simulated runs give."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from fovea.stats.power import FEWEST, RUNS_CAP, runs_for_difference, runs_for_equivalence


@pytest.mark.parametrize(("paired", "test"), [(True, TTestPower()), (False, TTestIndPower())])
@pytest.mark.parametrize("effect", [0.3, 0.8, 1.2])
def test_the_fewest_runs_that_find_a_difference(
    paired: bool, test: TTestPower | TTestIndPower, effect: float
) -> None:
    count = runs_for_difference(effect, paired=paired)
    assert count is not None

    def power(n: int) -> float:
        return float(test.power(effect, n, 0.025, alternative="larger"))

    assert power(count) >= 0.8 > power(count - 1)


def test_it_is_the_total_and_never_below_five() -> None:
    assert runs_for_difference(0, paired=True) is None
    assert runs_for_difference(1e-6, paired=True) == RUNS_CAP + 1
    for effect in (3.0, 1e6):
        assert runs_for_difference(effect, paired=True) == FEWEST == 5
        assert runs_for_difference(effect, paired=False) == 5
    # the textbook's: one standard deviation apart, 17 in each of two groups
    assert runs_for_difference(1.0, paired=False) == 17


def shown(values: NDArray[np.float64], margin: float) -> float:
    """Return in how many of the samples (rows) equivalence to 0 is shown."""
    n = values.shape[1]
    half = stats.t.ppf(0.95, n - 1) * values.std(axis=1, ddof=1) / np.sqrt(n)
    return float(np.mean(np.abs(values.mean(axis=1)) + half <= margin))


@pytest.mark.parametrize(
    ("distance", "margin", "spread"),
    [(0.0, 0.16, 0.05), (0.0, 0.16, 0.1), (0.08, 0.16, 0.05), (0.05, 0.16, 0.12)],
)
def test_the_fewest_runs_that_show_equivalence_in_simulation(
    distance: float, margin: float, spread: float
) -> None:
    count = runs_for_equivalence(distance, margin, [spread])
    assert count is not None
    random = np.random.default_rng(0)
    draws = distance + spread * random.normal(size=(20_000, count))
    assert shown(draws, margin) > 0.79
    if count > 3:
        assert shown(draws[:, :-1], margin) < 0.81


def test_lenet_5_needs_three_to_five_runs() -> None:
    """Of 0.05 points of spread, and a margin of 0.16, without bias; with half of it, more."""
    count = runs_for_equivalence(0.0, 0.16, [0.05])
    assert count is not None
    assert 3 <= count <= 5
    biased = runs_for_equivalence(0.08, 0.16, [0.05])
    assert biased is not None
    assert biased > count


def test_runs_for_equivalence_at_the_ends() -> None:
    assert runs_for_equivalence(0.16, 0.16, [0.05]) is None
    assert runs_for_equivalence(-0.2, 0.16, [0.0]) is None
    assert runs_for_equivalence(0.1, 0.16, [0.0]) == 3
    assert runs_for_equivalence(0.159, 0.16, [0.05]) == RUNS_CAP + 1
    # a published mean that is not known to the margin: no runs here help
    assert runs_for_equivalence(0.0, 0.16, [0.05], fixed=0.2) == RUNS_CAP + 1
    one = runs_for_equivalence(0.0, 0.16, [0.1])
    two = runs_for_equivalence(0.0, 0.16, [0.1, 0.1])
    assert one is not None
    assert two is not None
    assert two > one
