"""Whether two networks differ on the same test samples: a paired test of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, wilcoxon
from statsmodels.stats.multitest import multipletests

from fovea.config.errors import RecordError
from fovea.problems.predictions import Predictions

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Two runs on the same samples.

    Args:
        first, second: their ids.
        samples: how many samples both were tested on.
        test: the name of the test.
        first_better, second_better: on how many of them the one has the higher score.
        p: of the test that neither is better.
        adjusted: ``p`` by Holm's correction for all pairs that are compared.
    """

    first: str
    second: str
    samples: int
    test: str
    first_better: int
    second_better: int
    p: float
    adjusted: float


@dataclass(frozen=True)
class Tested:
    """The predictions of a run, and the fingerprint of the data that they were made on."""

    predictions: Predictions
    fingerprint: str


def compare_pairs(runs: Mapping[str, Tested]) -> list[Pair]:
    """Test every pair of runs on the samples that both were tested on.

    Scores that are right or wrong are compared by McNemar's test (1947) in its exact form, a sign
    test on the samples on which exactly one of two networks is right; numbers by Wilcoxon's signed
    ranks (1945).

    Args:
        runs: what each was tested on, by id.

    Raises:
        RecordError: two share no sample, or their problem gives samples no score.
    """
    found = []
    for first, second in combinations(runs, 2):
        one, other = _shared(first, runs[first], second, runs[second])
        a, b = _scores(first, runs[first], one), _scores(second, runs[second], other)
        above, below = int(np.sum(a > b)), int(np.sum(a < b))
        if a.dtype == bool:
            test, p = "McNemar's exact test", mcnemar(above, below)
        else:
            p = float(wilcoxon(a, b)[1]) if above or below else 1.0  # pyright: ignore[reportArgumentType]
            test = "Wilcoxon's signed ranks"
        found.append((first, second, len(a), test, above, below, p))
    adjusted = np.asarray(multipletests([each[-1] for each in found], method="holm")[1])
    return [Pair(*each, adjusted=float(holm)) for each, holm in zip(found, adjusted, strict=True)]


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p of the exact test; 1 where the two never differ."""
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def _scores(run: str, tested: Tested, index: Index) -> NDArray[Any]:
    scores = tested.predictions.scores()
    if scores is None:
        raise RecordError(f"run {run}: its problem gives single samples no score")
    return scores[index]


def _shared(first: str, one: Tested, second: str, other: Tested) -> tuple[Index, Index]:
    """Return the rows of the samples that two runs share, in one order.

    Raises:
        RecordError: there are none, or it is not known which they are.
    """
    key = one.predictions.key
    rows = one.predictions.rows, other.predictions.rows
    if key is not None and key in rows[0] and key in rows[1]:
        names, a, b = np.intersect1d(rows[0][key], rows[1][key], return_indices=True)
        if not len(names):
            raise RecordError(f"{first} and {second} share no test sample")
        return a, b
    if difference := _difference(one, other):  # recorded before samples were named
        raise RecordError(f"{first} and {second} were tested on different data: {difference}")
    every = np.arange(len(one.predictions))
    return every, every


def _difference(one: Tested, other: Tested) -> str | None:
    if len(one.predictions) != len(other.predictions):
        return f"{len(one.predictions)} samples and {len(other.predictions)}"
    if one.fingerprint != other.fingerprint:
        return "the data sets' fingerprints differ"
    targets = [each.predictions.rows.get("label") for each in (one, other)]
    if any(each is None for each in targets) or np.array_equal(*targets):  # pyright: ignore[reportArgumentType]
        return None
    return "the labels differ"
