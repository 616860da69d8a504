"""A CSV file of texts and labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.data.sources.csv_rows import PARTS, CsvColumns
from fovea.data.sources.image_files import name_below
from fovea.data.text.source import LabelledTexts, TextSet, TextSource


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
        _ = self._columns

    def read(self, root: Path) -> TextSet:
        path = root / Path(self.file).expanduser()
        rows = list(self._columns.read(path))
        classes = tuple(sorted({row.label for row in rows}))
        numbers = {name: label for label, name in enumerate(classes)}
        name = name_below(path, root)
        parts: dict[str, LabelledTexts] = {}
        for part in PARTS:
            chosen = [row for row in rows if row.part == part]
            if chosen:
                parts[part] = LabelledTexts(
                    [row.sample for row in chosen],
                    torch.tensor([numbers[row.label] for row in chosen]),
                    [f"{name}:{row.line}" for row in chosen],
                    groups=[row.group for row in chosen if row.group is not None] or None,
                )
        if "train" not in parts:
            raise DataError(f"{path}: no row of the train part")
        return TextSet(classes, parts)

    @property
    def _columns(self) -> CsvColumns:
        return CsvColumns(
            self.text, self.label, self.part, self.group, self.delimiter, self.encoding
        )
