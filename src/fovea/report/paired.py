"""Whether two networks differ on the same test samples: McNemar's test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from fovea.config.errors import RecordError
from fovea.tables.predictions import Predictions


@dataclass(frozen=True)
class Pair:
    """Two runs on the same samples.

    Args:
        first, second: their ids.
        samples: how many there are.
        only_first, only_second: how many only the one, only the other, predicts rightly.
        p: of the exact test that both are right equally often.
        adjusted: ``p`` by Holm's correction for all pairs that are compared.
    """

    first: str
    second: str
    samples: int
    only_first: int
    only_second: int
    p: float
    adjusted: float


def compare_pairs(runs: Mapping[str, Predictions]) -> list[Pair]:
    """Test every pair of runs.

    The test is McNemar's (1947) in its exact form, a sign test on the samples on which exactly one
    of two networks is right, whatever their number.

    Args:
        runs: the predictions of each, by id.

    Raises:
        RecordError: two were not tested on the same samples.
    """
    (reference, expected), *others = runs.items()
    for run, predictions in others:
        if difference := _difference(expected, predictions):
            raise RecordError(f"{reference} and {run} were tested on different data: {difference}")
    right = {run: each.predictions == each.labels for run, each in runs.items()}
    pairs = []
    for first, second in combinations(runs, 2):
        only_first = int(np.sum(right[first] & ~right[second]))
        only_second = int(np.sum(right[second] & ~right[first]))
        pairs.append((first, second, len(expected.labels), only_first, only_second))
    p = [mcnemar(*pair[-2:]) for pair in pairs]
    adjusted = np.asarray(multipletests(p, method="holm")[1])
    return [
        Pair(*pair, p=each, adjusted=float(corrected))
        for pair, each, corrected in zip(pairs, p, adjusted, strict=True)
    ]


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p of the exact test; 1 where the two never differ."""
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def _difference(one: Predictions, other: Predictions) -> str | None:
    if len(one.labels) != len(other.labels):
        return f"{len(one.labels)} samples and {len(other.labels)}"
    if one.fingerprint != other.fingerprint:
        return "the data sets' fingerprints differ"
    return None if np.array_equal(one.labels, other.labels) else "the labels differ"
