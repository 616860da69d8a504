"""Rows of a CSV file with a header, some columns of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from fovea.config.errors import ConfigError, DataError, did_you_mean, shortened
from fovea.data.sources.folders import part_of
from fovea.data.sources.text_files import read_decoded


def check_delimiter(delimiter: str) -> None:
    """Refuse what cannot stand between fields.

    Raises:
        ConfigError: it is not one character, or one that CSV gives another meaning.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"data.source.delimiter={delimiter!r}: should be one character, no quote")


def read_rows(
    path: Path, columns: Sequence[str], delimiter: str, encoding: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line at which a row begins, and what it has in some columns.

    Fields may be quoted and span lines; empty lines are left out.

    Raises:
        DataError: there is no such file or column, it is not in that encoding, or a row is
            malformed.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; set data.source.file, or data.root (or FOVEA_DATA) to the "
            "folder it is in"
        )
    content = io.StringIO(read_decoded(path, encoding), newline="")
    reader = csv.reader(content, delimiter=delimiter, strict=True)
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


def part_told(value: str, column: str, where: str) -> str:
    """Return the part that a field names.

    Raises:
        DataError: it names none.
    """
    part = part_of(value)
    if part is None:
        raise DataError(f"{where}: {column} '{shortened(value)}' is not train, val or test")
    return part


def label_told(value: str, column: str, where: str) -> str:
    """Return the class that a field names.

    Raises:
        DataError: it is empty.
    """
    if not value.strip():
        raise DataError(f"{where}: no {column}")
    return value.strip()


def _column(name: str, header: list[str], path: Path) -> int:
    if header.count(name) == 1:
        return header.index(name)
    found = "two columns" if name in header else "no column"
    known = shortened(", ".join(header), 120) or "none"
    raise DataError(f"{path}:1: {found} '{name}'{did_you_mean(name, header)} (there are: {known})")
