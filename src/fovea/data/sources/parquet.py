"""Parquet files of images, read a few rows at a time, and no more than a file may hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fovea.config.errors import DataError
from fovea.config.regular import most_of, open_regular

CLASSES = 100_000  # of a set, at most

_AT_ONCE = 64  # rows; an image may have megabytes


@dataclass(frozen=True)
class Shard:
    """One table of a part.

    Args:
        name: what errors call it.
        schema: of its columns.
        rows: how many it has.
        batches: reads some columns, a few rows at a time.
        folder: where the paths of images begin.
        home: the folder that they may not lead out of; ``None`` allows no paths.
    """

    name: str
    schema: pa.Schema
    rows: int
    batches: Callable[[list[str]], Iterator[pa.RecordBatch]]
    folder: Path = Path()
    home: Path | None = None

    def values(self, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Yield the values of some columns, row by row.

        Raises:
            DataError: the file is damaged, or expands to more than it may.
        """
        try:
            for batch in self.batches(list(columns)):
                yield from zip(*(batch[column].to_pylist() for column in columns), strict=True)
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:  # two columns, no UTF-8
            raise _damaged(self.folder / self.name, error) from error

    def content(self, cell: Mapping[str, Any] | bytes | None, name: str) -> Path | bytes:
        """Return the bytes of an image, or where it lies below ``home``.

        Args:
            cell: what the table has of it.
            name: of the row, for errors.

        Raises:
            DataError: neither, or its path leads elsewhere.
        """
        if isinstance(cell, bytes):
            return cell
        if cell is not None and cell["bytes"] is not None:
            return cell["bytes"]
        path = cell.get("path") if cell is not None else None
        if not path or type(path) is not str:
            raise DataError(f"{name}: no image")
        if self.home is not None:
            try:
                found = Path(os.path.realpath(self.folder / path))
            except (OSError, ValueError) as error:  # ValueError: a NUL
                raise DataError(f"{name}: its path is none ({error})") from error
            if found.is_relative_to(os.path.realpath(self.home)):
                return found
        raise DataError(
            f"{name}: its path leads out of the data set's folder and is not followed; "
            "put the image there, or its bytes in the table"
        )


def open_shard(path: Path, home: Path) -> Shard:
    """Open a Parquet file of a set whose folder is ``home``.

    Raises:
        DataError: not a regular file, damaged, or with more rows than bytes.
    """

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        with _opened(path) as (file, size):
            most, total = most_of(size), 0
            for batch in file.iter_batches(_AT_ONCE, columns=columns):
                total += batch.nbytes
                if total > most:
                    raise OSError(f"its {size:,} bytes hold more than {most:,}")
                yield batch

    with _opened(path) as (file, size):
        rows = file.metadata.num_rows
        if rows > size:
            raise DataError(f"{path}: claims {rows:,} rows in {size:,} bytes; replace the file")
        return Shard(path.name, file.schema_arrow, rows, batches, path.parent, home)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pq.ParquetFile, int]]:
    try:
        with open_regular(path) as stream, pq.ParquetFile(stream) as file:
            yield file, os.fstat(stream.fileno()).st_size
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: damaged Parquet file ({str(error).partition(chr(10))[0]})")
