"""A CSV file of texts and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.sources.csv_rows import check_delimiter, label_told, part_told, read_rows
from fovea.data.sources.image_files import name_below
from fovea.data.sources.text_files import check_encoding
from fovea.data.text.source import LabelledTexts, TextSet, TextSource

_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class _Row:
    line: int
    text: str
    label: str
    part: str
    group: str | None


@dataclass(frozen=True)
class TextCsv(TextSource):
    """Texts in a column of a CSV file with a header; fields may be quoted and span lines.

    The classes are the values of the label column, sorted.

    Args:
        file: below the data root, or absolute; plain, ``.gz`` or ``.xz``.
        text, label: the columns' names.
        part: a column that says ``train``, ``val`` or ``test``; ``None``: all is to be split.
        group: a column whose equal values (of an author, say) are never split; ``None`` is none.
        delimiter: between fields; a tab is ``"\\t"``.
        encoding: of the file.
    """

    file: str
    text: str = "text"
    label: str = "label"
    part: str | None = None
    group: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        check_delimiter(self.delimiter)

    def read(self, root: Path) -> TextSet:
        path = root / Path(self.file).expanduser()
        rows = list(self._rows(path))
        classes = tuple(sorted({row.label for row in rows}))
        numbers = {name: label for label, name in enumerate(classes)}
        name = name_below(path, root)
        parts: dict[str, LabelledTexts] = {}
        for part in _PARTS:
            chosen = [row for row in rows if row.part == part]
            if chosen:
                parts[part] = LabelledTexts(
                    [row.text for row in chosen],
                    torch.tensor([numbers[row.label] for row in chosen]),
                    [f"{name}:{row.line}" for row in chosen],
                    groups=[row.group for row in chosen if row.group is not None] or None,
                )
        if "train" not in parts:
            raise DataError(f"{path}: no row of the train part")
        return TextSet(classes, parts)

    def _rows(self, path: Path) -> Iterator[_Row]:
        more = [each for each in (self.part, self.group) if each is not None]
        columns = [self.text, self.label, *more]
        for line, (text, label, *values) in read_rows(path, columns, self.delimiter, self.encoding):
            where, told = f"{path}:{line}", dict(zip(more, values, strict=True))
            yield _Row(
                line,
                text,
                label_told(label, self.label, where),
                part_told(told[self.part], self.part, where) if self.part else "train",
                told[self.group] if self.group else None,
            )
