"""From texts to words, and from words to numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

Splitting = Literal["words", "spaces"]

PADDING, UNKNOWN = 0, 1
SPECIAL = 2  # numbers that are no word's

_FOREIGN = re.compile(r"[^a-z0-9(),!?'`]")
_ENDING = re.compile(r"n't|'(?:s|ve|re|d|ll)")
_MARK = re.compile(r"[,!()?]")


def split_words(text: str, splitting: Splitting) -> list[str]:
    """Return the words of a text.

    Args:
        text: of any length.
        splitting: ``words``: lower case; ``'s 've n't 're 'd 'll`` are split off and ``, ! ? ( )``
            are words; other characters than these, a–z, 0–9, ``'`` and ````` separate words. It is
            the preprocessing of Kim 2014 (his ``process_data.py``), which lowers after splitting
            off. ``spaces``: split at white space and left as it is, for text that is tokenised.
    """
    if splitting == "spaces":
        return text.split()
    text = _FOREIGN.sub(" ", text.lower())
    return _MARK.sub(r" \g<0> ", _ENDING.sub(r" \g<0>", text)).split()


def count_words(texts: Iterable[Sequence[str]], min_count: int) -> list[str]:
    """Return the words that occur often enough, most frequent first, then by alphabet."""
    counts = Counter(word for text in texts for word in text)
    kept = [word for word, count in counts.items() if count >= min_count]
    return sorted(kept, key=lambda word: (-counts[word], word))


def number(words: Sequence[str]) -> dict[str, int]:
    """Return the number of each word of a vocabulary."""
    return {word: place for place, word in enumerate(words, SPECIAL)}


def pad(texts: Sequence[Sequence[str]], numbers: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Return texts as numbers.

    Returns:
        int32 ``(N, L)``, padded after the text to the longest, and the length of each, int64
        ``(N,)``. L is 1 at least.
    """
    lengths = torch.tensor([len(text) for text in texts], dtype=torch.int64)
    tokens = torch.full((len(texts), max([1, *lengths.tolist()])), PADDING, dtype=torch.int32)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = torch.tensor([numbers.get(word, UNKNOWN) for word in text])
    return tokens, lengths
