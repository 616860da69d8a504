"""Arithmetic of rounds, and the sentences on how far a measurement can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from fovea.stats.estimates import compare

_CONTENDED = 1.5  # slowest round over fastest


def median_ratio(
    measured: Mapping[str, Any], program: str, other: str
) -> tuple[float, float, float]:
    """Return the ratio of two programs' median speeds, and the smallest and largest of a round."""
    ours = measured["programs"][program]["images_per_second"]
    theirs = measured["programs"][other]["images_per_second"]
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return median(ours) / median(theirs), min(rounds), max(rounds)


def mean_difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float | None]:
    """Return the difference of two means and the half width of its 95 % interval (Welch's t).

    There is no interval where neither has any spread.
    """
    compared = compare(ours, theirs)
    assert compared is not None
    half = None if compared.high is None else compared.high - compared.difference
    return compared.difference, half


def contended(rounds: Sequence[float]) -> bool:
    """Whether a program's rounds differ so much that the machine must have had other work."""
    return max(rounds) > _CONTENDED * min(rounds)


def warning(programs: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the paragraph that names the programs that were contended, if there are any."""
    ranges = [
        f"{name} ({max(rounds) / min(rounds):.1f}×)"
        for name, rounds in programs.items()
        if contended(rounds)
    ]
    if not ranges:
        return []
    return [
        "",
        f"Contended, slowest over fastest round: {', '.join(ranges)}. Measure again on an idle "
        "machine.",
    ]


def measured_on(measured: Mapping[str, Any]) -> str:
    """Return the sentence on the machine, the versions and the date of a measurement."""
    machine = measured["machine"]
    hardware, packages, git = machine["hardware"], machine["packages"], machine["git"]
    device = ", ".join(hardware["gpus"]) or f"{hardware['processor']}, {hardware['cores']} cores"
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] != 1)}"
    changed = " with uncommitted changes" if git["dirty"] else ""
    return (
        f"Measured on {device}, {threads}; torch {packages['torch']}, "
        f"pytorch-lightning {packages['pytorch-lightning']}; "
        f"commit {(git['sha'] or 'unknown')[:7]}{changed}; {measured['date']}."
    )
