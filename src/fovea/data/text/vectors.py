"""Word vectors from a text file, as word2vec and GloVe write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fovea.config.errors import DataError
from fovea.data.sources.storage import Stream, opened
from fovea.data.text.words import SPECIAL

_CHUNK = 2**20  # bytes that are read at once
_LINE = 2**20  # bytes of a line, at most


def read_vectors(path: Path, numbers: Mapping[str, int]) -> Tensor:
    """Return the vectors of a vocabulary.

    A line is a word and its values, separated by spaces; word2vec's first line says how many words
    and values there are. The file may be compressed. It is read once, and what is kept of it is the
    vocabulary's.

    Args:
        path: the file.
        numbers: of each word.

    Returns:
        float32 ``(SPECIAL + words, values)``; NaN for what the file lacks.

    Raises:
        DataError: it cannot be read, or a line of the vocabulary's is no vector.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; set data.vectors to a file of word vectors")
    with opened(path) as stream:
        lines = enumerate(_lines(stream, path), start=1)
        first, head = next(lines, (1, b""))
        fields = head.split()
        is_header = len(fields) == 2 and all(map(bytes.isdigit, fields))
        size = int(fields[1]) if is_header else len(fields) - 1
        if not 1 <= size <= _LINE:
            raise DataError(f"{path}:{first}: should be a word and its values")
        vectors = np.full((SPECIAL + len(numbers), size), np.nan, np.float32)
        for place, line in [] if is_header else [(first, head)]:
            _keep(line, place, path, numbers, vectors)
        for place, line in lines:
            _keep(line, place, path, numbers, vectors)
    return torch.from_numpy(vectors)


def _keep(
    line: bytes, place: int, path: Path, numbers: Mapping[str, int], vectors: np.ndarray
) -> None:
    word, *values = line.rstrip().rsplit(b" ", vectors.shape[1])  # GloVe has words with spaces
    row = numbers.get(word.decode(errors="replace"))
    if row is None:
        return
    try:
        vector = np.array(values, np.float32)
    except ValueError:
        vector = np.empty(0, np.float32)
    if vector.shape != vectors.shape[1:] or not np.isfinite(vector).all():
        raise DataError(f"{path}:{place}: not {vectors.shape[1]} numbers after a word")
    vectors[row] = vector


def _lines(stream: Stream, path: Path) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > _LINE:
            raise DataError(f"{path}: a line of more than {_LINE:,} bytes: no file of word vectors")
    if rest:
        yield rest
