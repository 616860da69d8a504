"""Files written atomically: after a crash there is the old file or the new one, never half."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a crash at any moment leaves the old content or the new, whole."""
    with atomic_stream(path) as stream:
        stream.write(content)


@contextmanager
def atomic_stream(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that takes its place, whole, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        with temporary.open("xb") as stream:  # its mode is as the user's umask has it
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
