"""Finding, reading and fetching a data set's files: compressed ones are read in place."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

import torch

from fovea.config.errors import DataError
from fovea.config.regular import most_of, open_regular
from fovea.data.image.memory import allowance

_OPEN = {".gz": gzip.open, ".xz": lzma.open}
_CHUNK = 2**20  # bytes that are read at once


class Stream:
    """The content of a file, decompressed, of which no more than is allowed can be read."""

    def __init__(self, file: BinaryIO, allowed: int) -> None:
        self._file = file
        self._allowed = allowed
        self._left = allowed

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; memory is taken for those that are there.

        Raises:
            OSError: the content is larger than is allowed.
        """
        content = self._file.read(min(size, self._left + 1, _CHUNK))
        self._left -= len(content)
        if self._left < 0:
            raise OSError(f"it holds more than {self._allowed:,} bytes, the most that is read")
        return content


@contextmanager
def opened(path: Path) -> Iterator[Stream]:
    """Open a file of a data set, decompressed by its suffix.

    A compressed file may expand to 64 MiB or a hundred times its size, and any to half of the
    memory that is free.

    Raises:
        DataError: not a regular file, unreadable, truncated, corrupt or too large; raised within
            the block too.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            free = allowance("auto", torch.device("cpu"))
            if size > free:
                raise OSError(f"{size:,} bytes, more than half of the memory that is free")
            decompress = _OPEN.get(path.suffix)
            if decompress is None:
                yield Stream(file, size)
                return
            with decompress(file, "rb") as content:
                yield Stream(content, min(most_of(size), free))
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read, replace the file ({reason})") from error


def find(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the first of ``name``, ``name.gz`` and ``name.xz`` in the first folder with one."""
    paths = (folder / f"{name}{suffix}" for folder in folders for suffix in ("", *_OPEN))
    return next((path for path in paths if path.exists()), None)


def read_bytes(path: Path, size: int | None = None) -> bytearray:
    """Return a file's content, decompressed; at most the first ``size`` bytes.

    Raises:
        DataError: as :func:`opened`.
    """
    content = bytearray()
    with opened(path) as stream:
        while size is None or len(content) < size:
            chunk = stream.read(_CHUNK if size is None else size - len(content))
            if not chunk:
                break
            content += chunk
    return content


def missing(wanted: str, folder: Path, *, downloadable: bool = False) -> DataError:
    """Return the error of a data set that is not where it should be.

    Args:
        wanted: the files looked for.
        folder: where.
        downloadable: whether ``data.download=true`` would help.
    """
    state = f"no {wanted}" if folder.is_dir() else f"no such folder (looked for {wanted})"
    remedy = "put the files there, or set data.root (or FOVEA_DATA) to the folder that holds"
    fetch = ", or add data.download=true" if downloadable else ""
    return DataError(f"{folder}: {state}; {remedy} {folder.name}/{fetch}")


def fetch(urls: Iterable[str], path: Path, md5: str) -> None:
    """Download a file from the first address that serves it; ``path`` appears only when complete.

    Raises:
        DataError: no network, no permission to write, or another file than expected.
    """
    from torchvision.datasets.utils import download_url  # 4 s of imports

    partial = path.with_name(f"{path.name}.part")
    reason: Exception | None = None
    for url in urls:
        try:
            download_url(url, path.parent, partial.name, md5)
            partial.replace(path)
        except (OSError, RuntimeError, HTTPException) as error:
            reason = error
        else:
            return
    raise DataError(f"{path.name}: download to {path.parent} failed ({reason})") from reason
