"""A CSV file of texts and labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from fovea.config.errors import ConfigError, DataError, did_you_mean, shortened
from fovea.data.sources.layout import part_of
from fovea.data.sources.text_files import check_encoding, name_below, read_decoded
from fovea.data.text.source import Texts, TextSet, TextSource

_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class TextCsv(TextSource):
    """Texts in a column of a CSV file with a header; fields may be quoted and span lines.

    The classes are the values of the label column, sorted.

    Args:
        file: below the data root, or absolute; plain, ``.gz`` or ``.xz``.
        text, label: the columns' names.
        part: a column that says ``train``, ``val`` or ``test``; ``None``: all is to be split.
        delimiter: between fields; a tab is ``"\\t"``.
        encoding: of the file.
    """

    file: str
    text: str = "text"
    label: str = "label"
    part: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ConfigError(
                f"data.source.delimiter={self.delimiter!r}: should be one character, no quote"
            )

    def read(self, root: Path) -> TextSet:
        path = root / Path(self.file).expanduser()
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; set data.source.file, or data.root (or FOVEA_DATA) to the "
                "folder it is in"
            )
        rows = list(self._rows(path))
        classes = tuple(sorted({label for _, _, label, _ in rows}))
        numbers = {name: label for label, name in enumerate(classes)}
        name = name_below(path, root)
        parts: dict[str, Texts] = {}
        for part in _PARTS:
            chosen = [row for row in rows if row[3] == part]
            if chosen:
                parts[part] = Texts(
                    [text for _, text, _, _ in chosen],
                    torch.tensor([numbers[label] for _, _, label, _ in chosen]),
                    [f"{name}:{line}" for line, _, _, _ in chosen],
                )
        if "train" not in parts:
            raise DataError(f"{path}: no row of the train part")
        return TextSet(classes, parts)

    def _rows(self, path: Path) -> Iterator[tuple[int, str, str, str]]:
        """Yield the line, text, label and part of every row."""
        content = io.StringIO(read_decoded(path, self.encoding), newline="")
        reader = csv.reader(content, delimiter=self.delimiter, strict=True)
        try:
            header = next(reader, [])
            columns = [self._column(name, header, path) for name in (self.text, self.label)]
            part = None if self.part is None else self._column(self.part, header, path)
            ended = reader.line_num
            for row in reader:
                line, ended = ended + 1, reader.line_num
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"{path}:{line}: {len(row)} fields, and the header has {len(header)}"
                    )
                text, label = (row[column] for column in columns)
                if not label.strip():
                    raise DataError(f"{path}:{line}: no {self.label}")
                yield line, text, label.strip(), self._part(row, part, path, line)
        except csv.Error as problem:
            raise DataError(f"{path}:{reader.line_num}: {problem}; fix that row") from None

    def _column(self, name: str, header: list[str], path: Path) -> int:
        if header.count(name) == 1:
            return header.index(name)
        found = "two columns" if name in header else "no column"
        known = shortened(", ".join(header), 120) or "none"
        raise DataError(
            f"{path}:1: {found} '{name}'{did_you_mean(name, header)} (there are: {known})"
        )

    def _part(self, row: list[str], column: int | None, path: Path, line: int) -> str:
        if column is None:
            return "train"
        part = part_of(row[column])
        if part is None:
            raise DataError(
                f"{path}:{line}: {self.part} '{shortened(row[column])}' is not train, val or test"
            )
        return part
