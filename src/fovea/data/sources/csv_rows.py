"""Rows of a CSV file that name samples and their classes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fovea.config.errors import ConfigError, DataError, did_you_mean, shortened
from fovea.data.sources.folders import part_of
from fovea.data.sources.text_files import check_encoding, read_decoded

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class CsvRow:
    """A row.

    Args:
        line: at which it begins, from 1.
        sample: a text, or the name of a file.
        label: its class.
        part: ``train``, ``val`` or ``test``.
        group: what it is of, if groups are kept together.
    """

    line: int
    sample: str
    label: str
    part: str
    group: str | None


@dataclass(frozen=True)
class CsvColumns:
    """Which columns of a CSV file with a header are read, and how.

    Args:
        sample, label: the columns' names.
        part: a column that says ``train``, ``val`` or ``test``, or ``None``.
        group: a column of groups, or ``None``.
        delimiter: between fields.
        encoding: of the file.

    Raises:
        ConfigError: the delimiter is not one character or has another meaning in CSV, or there is
            no such encoding.
    """

    sample: str
    label: str
    part: str | None
    group: str | None
    delimiter: str
    encoding: str

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ConfigError(
                f"data.source.delimiter={self.delimiter!r}: should be one character, no quote"
            )

    def read(self, path: Path, part: str = "train") -> Iterator[CsvRow]:
        """Yield the rows of a file; fields may be quoted and span lines, empty lines are left out.

        Args:
            path: of the file.
            part: of its rows, where no column says it.

        Raises:
            DataError: there is no such file or column, it is not in that encoding, or a row is
                malformed, without a label or of an unknown part.
        """
        more = [each for each in (self.part, self.group) if each is not None]
        for line, (sample, label, *values) in self._fields(path, [self.sample, self.label, *more]):
            told = dict(zip(more, values, strict=True))
            if not label.strip():
                raise DataError(f"{path}:{line}: no {self.label}")
            if self.part is not None:
                part = self._part(told[self.part], f"{path}:{line}")
            group = None if self.group is None else told[self.group]
            yield CsvRow(line, sample, label.strip(), part, group)

    def _part(self, value: str, where: str) -> str:
        part = part_of(value)
        if part is None:
            raise DataError(f"{where}: {self.part} '{shortened(value)}' is not train, val or test")
        return part

    def _fields(self, path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the line at which a row begins, and what it has in some columns."""
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; set data.source.file, or data.root (or FOVEA_DATA) to the "
                "folder it is in"
            )
        content = io.StringIO(read_decoded(path, self.encoding), newline="")
        reader = csv.reader(content, delimiter=self.delimiter, strict=True)
        try:
            header = next(reader, [])
            places = [_column(name, header, path) for name in columns]
            ended = reader.line_num
            for row in reader:
                line, ended = ended + 1, reader.line_num
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"{path}:{line}: {len(row)} fields, and the header has {len(header)}"
                    )
                yield line, [row[place] for place in places]
        except csv.Error as problem:
            raise DataError(f"{path}:{reader.line_num}: {problem}; fix that row") from None


def _column(name: str, header: list[str], path: Path) -> int:
    if header.count(name) == 1:
        return header.index(name)
    found = "two columns" if name in header else "no column"
    known = shortened(", ".join(header), 120) or "none"
    raise DataError(f"{path}:1: {found} '{name}'{did_you_mean(name, header)} (there are: {known})")
