"""Finding, reading and fetching a data set's files: compressed ones are read in place."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path

from fovea.config.errors import DataError

_OPEN = {".gz": gzip.open, ".xz": lzma.open}


def find(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the first of ``name``, ``name.gz`` and ``name.xz`` in the first folder with one."""
    paths = (folder / f"{name}{suffix}" for folder in folders for suffix in ("", *_OPEN))
    return next((path for path in paths if path.is_file()), None)


def read_bytes(path: Path, size: int = -1) -> bytes:
    """Return a file's content, decompressed; at most the first ``size`` bytes of it.

    Raises:
        DataError: unreadable, truncated or corrupt.
    """
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:
            return file.read(size)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read, replace the file ({error})") from error


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
