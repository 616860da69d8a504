"""Files that others made: only regular ones are opened, and only so much of one is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_RATIO = 100  # by which a compressed file may expand; images seldom shrink to a tenth
_SMALL = 64 * 2**20  # bytes to which any compressed file may expand


def most_of(size: int) -> int:
    """Return the bytes to which a compressed file of ``size`` bytes may expand."""
    return max(_SMALL, _RATIO * size)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read; a link is followed, and nothing is waited for.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a socket or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(f"not a regular file but {_KINDS.get(kind, 'something else')}")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises:
        OSError: as :func:`open_regular`, or the file is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > most else file.read(most + 1)
    if max(size, len(content)) > most:
        raise OSError(f"{max(size, len(content)):,} bytes, more than the {most:,} allowed")
    return content
