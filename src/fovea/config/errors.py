"""Errors that are the user's to mend: one clear line, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class FoveaError(Exception):
    """Something the user can mend. The message says what is wrong, where, and what to do."""


class ConfigError(FoveaError):
    """The composed config, or what was asked of it, cannot be run."""


class DataError(FoveaError):
    """A data set is missing, malformed, or does not fit what was asked of it."""


class RecordError(FoveaError):
    """A run record is missing, incomplete or damaged."""


def one_line(text: object, limit: int = 290) -> str:
    """Return a message as one line of at most ``limit`` characters, elided in the middle."""
    return shortened(" ".join(str(text).split()), limit)


def shortened(value: object, limit: int = 80) -> str:
    """Return a value as a message quotes it: at most ``limit`` characters, elided in the middle."""
    line = str(value)
    half = (limit - 1) // 2
    return line if len(line) <= limit else f"{line[:half]}…{line[-half:]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of ``known``, or an empty string."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
