"""Which values or colours of a mask are which class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fovea.augment.joint import IGNORED
from fovea.config.errors import ConfigError, DataError, one_line
from fovea.data.image.decode import load
from fovea.data.image.source import ImageFile

_UNKNOWN = 254  # in tables: a value of no class
_MOST = 250  # classes
_RANGE = re.compile(r"(\d{1,5})-(\d{1,5})")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

Values = int | str | Sequence[int | str]


@dataclass(frozen=True)
class Coding:
    """The classes of masks by what is stored of them.

    Args:
        classes: by name in the order of their labels: a grey value or an index of a palette
            (``7``), a range of these (``1-255``), a colour (``#ff0000``), or a list. Either all are
            colours or none is.
        ignored: the values or colours that are of no class.

    Raises:
        ConfigError: something else, or a value that is of two classes.
    """

    classes: Mapping[str, Values]
    ignored: Sequence[int | str] = ()

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= _MOST:
            raise ConfigError(
                f"data.source.classes: {len(self.classes)} classes; from 2 to {_MOST} can be told "
                "apart"
            )
        _ = self._table

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.classes)

    def read(self, file: ImageFile) -> NDArray[np.uint8]:
        """Decode a mask.

        Returns:
            Labels ``(H, W)``; ``IGNORED`` where there is no class.

        Raises:
            DataError: it cannot be decoded, is coloured and no colours are given, or has a value
                that is of no class.
        """
        values = self._values(load(file, _stored), file.name)
        known = values < len(self._table)
        labels = self._table[np.where(known, values, 0)]
        labels[~known] = _UNKNOWN
        for row, column in np.argwhere(labels == _UNKNOWN):
            value = self._text(int(values[row, column]))
            raise DataError(
                f"{file.name}: {value} at row {row}, column {column} is of no class "
                f"({one_line(self._listed(), 120)}); add it to data.source.classes or "
                "data.source.ignored"
            )
        return labels

    def _values(self, image: Image.Image, name: str) -> NDArray[np.int64]:
        if self._coloured:
            channels = np.asarray(image.convert("RGB")).astype(np.int64)
            return channels @ np.array([1 << 16, 1 << 8, 1])
        values = np.asarray(image).astype(np.int64)
        if values.ndim == 3:
            if (values != values[:, :, :1]).any():
                raise DataError(
                    f"{name}: a coloured mask; give data.source.classes as colours, '#ff0000'"
                )
            values = values[:, :, 0]
        if values.min() < 0:
            raise DataError(f"{name}: a mask with negative values")
        return values

    @cached_property
    def _coloured(self) -> bool:
        given = [*self.classes.values(), self.ignored]
        kinds = {isinstance(each, str) and each[:1] == "#" for one in given for each in _each(one)}
        if len(kinds) > 1:
            raise ConfigError("data.source.classes: some are colours and some are values")
        return True in kinds

    @cached_property
    def _table(self) -> NDArray[np.uint8]:
        """The label of each value, or of each colour as a number of 24 bits."""
        table = np.full(1 << 24 if self._coloured else 1 << 16, _UNKNOWN, np.uint8)
        given = [*enumerate(self.classes.items()), (IGNORED, ("ignored", self.ignored))]
        for label, (name, values) in given:
            for value in _each(values):
                low, high = _bounds(name, value)
                if high >= len(table) or (table[low : high + 1] != _UNKNOWN).any():
                    reason = "above 65,535" if high >= len(table) else "of two classes"
                    raise ConfigError(f"data.source.classes: {name}: {value} is {reason}")
                table[low : high + 1] = label
        return table

    def _text(self, value: int) -> str:
        return f"colour #{value:06x}" if self._coloured else f"value {value}"

    def _listed(self) -> str:
        return ", ".join(f"{name} {values}" for name, values in self.classes.items())


def _stored(image: Image.Image) -> Image.Image:
    """Return an image whose pixels are the values that are stored: grey, of 16 bits, or indices."""
    if image.mode == "F":
        raise ValueError("floating-point values")
    if image.mode in ("L", "P", "RGB") or image.mode.startswith("I"):
        return image
    if image.mode in ("1", "LA", "La"):
        return image.convert("L")
    return image.convert("RGB")


def _each(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list | tuple) else [values]


def _bounds(name: str, value: Any) -> tuple[int, int]:
    """Return the smallest and the largest number that a value, a range or a colour stands for."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, value
    if isinstance(value, str) and _COLOUR.fullmatch(value):
        return (number := int(value[1:], 16)), number
    if isinstance(value, str) and (found := _RANGE.fullmatch(value)):
        low, high = map(int, found.groups())
        if low <= high:
            return low, high
    raise ConfigError(
        f"data.source.classes: {name}: {one_line(value, 40)} is no value, range '1-255' or colour "
        "'#ff0000'"
    )
