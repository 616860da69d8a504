"""Sign Language MNIST: hand signs of the American alphabet as CSV rows."""

from __future__ import annotations

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
from fovea.data.source import Images, Source, Spec, Splits
from fovea.data.storage import find, missing, read_bytes

_SIDE = 28
_HEADER = ["label", *(f"pixel{number}" for number in range(1, _SIDE**2 + 1))]
_CLASSES = tuple(string.ascii_uppercase)


@dataclass(frozen=True)
class SignMnist(Source):
    """28×28 grey images; the label is a letter's place in the alphabet.

    J and Z are signed by a movement and never occur. The files are ``sign_mnist_train.csv`` and
    ``sign_mnist_test.csv``, plain, ``.gz`` or ``.xz``, with the header ``label,pixel1,…,pixel784``.

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
    rows, skipped = _parse(data), []
    if rows is None:
        rows, skipped = _parse_by_row(data, path, skip_bad)
    images = Images(
        pixels=torch.from_numpy(rows[:, 1:].copy().reshape(-1, _SIDE, _SIDE, 1)),
        labels=torch.from_numpy(rows[:, 0].astype(np.int64)),
    )
    return images, skipped


def _parse(data: bytes) -> NDArray[np.uint8] | None:
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
    return rows if rows[:, 0].max() < len(_CLASSES) else None


def _parse_by_row(data: bytes, path: Path, skip_bad: bool) -> tuple[NDArray[np.uint8], list[str]]:
    """Parse row by row to find what is wrong; lines count from 1, as an editor shows them."""
    header, *lines = data.decode("utf-8-sig", errors="replace").split("\n")
    if _fields(header) != _HEADER:
        raise DataError(f"{path}, line 1: expected the header label,pixel1,…,pixel{_SIDE**2}")
    rows: list[list[int]] = []
    skipped: list[str] = []
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        values = _fields(line)
        reason = _problem(values)
        if reason is None:
            rows.append([int(float(value)) for value in values])
        elif skip_bad:
            skipped.append(f"{path}, line {number}: {reason}")
        else:
            raise DataError(
                f"{path}, line {number}: {reason}; mend the row or set data.skip_bad=true"
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
            return f"{name} '{value}' is not a number"
        if not number.is_integer():
            return f"{name} {value} is not an integer"
        if not 0 <= number <= limit:
            return f"{name} {value} is outside 0–{limit}"
    return None
