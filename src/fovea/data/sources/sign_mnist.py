"""Sign Language MNIST: hand signs of the American alphabet as CSV rows."""

from __future__ import annotations

import io
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pyarrow import csv

from fovea.config.errors import DataError
from fovea.data.image.source import Images, Source, Spec, Splits
from fovea.data.sources.storage import find, missing, read_bytes

_SIDE = 28
_HEADER = ["label", *(f"pixel{number}" for number in range(1, _SIDE**2 + 1))]
_CLASSES = tuple(string.ascii_uppercase)
_MOVING = {9: "J", 25: "Z"}  # signed by a movement
_LINE = 2**14  # bytes; a row of the longest numbers has some 4,000


@dataclass(frozen=True)
class SignMnist(Source):
    """28×28 grey images; the label is a letter's place in the alphabet.

    J and Z are signed by a movement and never occur; their labels are refused. The files are
    ``sign_mnist_train.csv`` and ``sign_mnist_test.csv``, plain, ``.gz`` or ``.xz``, with the header
    ``label,pixel1,…,pixel784``.

    Args:
        folder: below the data root.
    """

    folder: str = "sign_mnist"

    def spec(self, root: Path) -> Spec:
        self._find(root, "train")
        return Spec(classes=_CLASSES, channels=1, image_size=_SIDE)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        train, skipped_train = _read_part(self._find(root, "train"), skip_bad)
        test, skipped_test = _read_part(self._find(root, "test"), skip_bad)
        return Splits(train=train, test=test, skipped=skipped_train + skipped_test)

    def _find(self, root: Path, part: str) -> Path:
        name = f"sign_mnist_{part}.csv"
        path = find(name, [root / self.folder])
        if path is None:
            raise missing(f"{name}[.gz|.xz]", root / self.folder)
        return path


def _read_part(path: Path, skip_bad: bool) -> tuple[Images, list[str]]:
    data = read_bytes(path)
    header = data[: data.find(b"\n") + 1 or None]
    if len(header) > _LINE or _fields(header.decode("utf-8-sig", "replace")) != _HEADER:
        raise DataError(f"{path}, line 1: expected the header label,pixel1,…,pixel{_SIDE**2}")
    rows, skipped = _parse(data), []
    if rows is None:
        rows, skipped = _parse_by_row(data, path, skip_bad)
    images = Images(
        pixels=torch.from_numpy(rows[:, 1:].copy().reshape(-1, _SIDE, _SIDE, 1)),
        labels=torch.from_numpy(rows[:, 0].astype(np.int64)),
    )
    return images, skipped


def _parse(data: bytearray) -> NDArray[np.uint8] | None:
    """Parse a well-formed file; ``None`` where anything at all is wrong with it."""
    types = dict.fromkeys(_HEADER, pa.uint8())
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    if table.column_names != _HEADER or not len(table):
        return None
    rows = np.stack([column.to_numpy() for column in table.columns], axis=1)
    labels = rows[:, 0]
    return rows if labels.max() < len(_CLASSES) and not np.isin(labels, [*_MOVING]).any() else None


def _parse_by_row(
    data: bytearray, path: Path, skip_bad: bool
) -> tuple[NDArray[np.uint8], list[str]]:
    """Parse row by row to find what is wrong; lines count from 1, as an editor shows them."""
    rows: list[list[int]] = []
    skipped: list[str] = []
    for number, line in enumerate(io.BytesIO(data), start=1):
        if number == 1 or not line.strip():
            continue
        values = [] if len(line) > _LINE else _fields(line.decode(errors="replace"))
        reason = _problem(values) if values else f"{len(line):,} bytes, more than {_LINE:,}"
        if reason is None:
            rows.append([int(float(value)) for value in values])
        elif skip_bad:
            skipped.append(f"{path}, line {number}: {reason}")
        else:
            raise DataError(
                f"{path}, line {number}: {reason}; fix the row or set data.skip_bad=true"
            )
    if not rows:
        raise DataError(f"{path}: no usable row")
    return np.array(rows, np.uint8), skipped


def _fields(line: str) -> list[str]:
    return [field.strip().strip('"') for field in line.split(",")]


def _problem(values: Sequence[str]) -> str | None:
    if len(values) != len(_HEADER):
        return f"{len(values)} values, expected {len(_HEADER)}"
    for name, value in zip(_HEADER, values, strict=True):
        limit = len(_CLASSES) - 1 if name == "label" else 255
        try:
            number = float(value)
        except ValueError:
            return f"{name} {value[:20]!r} is not a number"
        if not number.is_integer():
            return f"{name} {value[:20]} is not an integer"
        if not 0 <= number <= limit:
            return f"{name} {value[:20]} is outside 0–{limit}"
        if name == "label" and number in _MOVING:
            return f"label {value[:20]} is {_MOVING[int(number)]}, which the set does not have"
    return None
