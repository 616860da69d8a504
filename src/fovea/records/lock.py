"""The lock of a run: held by the process that trains it, and released however that ends."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fovea.config.errors import RecordError
from fovea.records.deleting import require_no_link

_LOCK = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"


@contextmanager
def locked(folder: Path, timeout: float) -> Iterator[bool]:
    """Hold the run of a folder for this process; yields whether it could be had in so many seconds.

    Raises:
        RecordError: the lock is a symbolic link.
    """
    file = _file(folder)
    for path in (file.parent, file):
        require_no_link(path)
    lock = FileLock(file, timeout=timeout)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        if not folder.exists():  # nothing came of it: the lock would be all that is left
            file.unlink(missing_ok=True)
        lock.release()


def locks_work(folder: Path) -> bool:
    """Whether a lock that this process holds in a folder keeps another process out.

    Some mounts of network file systems grant every lock (NFS with ``nolock``, Lustre without
    ``flock``).

    Raises:
        OSError: no file can be written or locked there.
    """
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        another = [sys.executable, "-I", "-S", "-c", _LOCK, file.name]
        return subprocess.run(another, stderr=subprocess.DEVNULL, check=False).returncode != 0


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run of a folder."""
    if not _file(folder).is_file():
        return False
    try:
        with locked(folder, timeout=0) as free:
            return not free
    except (OSError, RecordError):  # it may be read only here, or a link
        return False


def _file(folder: Path) -> Path:
    return folder.parent / ".locks" / folder.name
