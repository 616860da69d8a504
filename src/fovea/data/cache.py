"""Decoded data sets kept on disk, so that WebP, PNG and CSV are decoded once on a machine.

An entry is one file, memory-mapped when it is read, named by a hash of the source's arguments and
of the name, size and modification time of every file of the set. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
from pathlib import Path
from typing import Any

import torch

from fovea.config import paths
from fovea.data.source import Images, Source, Splits
from fovea.records import write_atomic

log = logging.getLogger(__name__)

_FORMAT = 1
_WORTH_SECONDS = 1.0  # sets that are read faster are not kept


def read_cached(source: Source, root: Path, *, skip_bad: bool) -> Splits:
    """Read a source, or what an earlier reading of the same files left on disk.

    Sources whose images are decoded later (:class:`Files`) and those without a ``folder`` are
    always read. A cache that cannot be written or read is done without.

    Raises:
        DataError: as ``source.read``.
    """
    folder = getattr(source, "folder", None)
    if not folder:
        return source.read(root, skip_bad=skip_bad)
    entry = paths.cache() / f"{_key(source, root / folder, skip_bad)}.pt"
    if (kept := _load(entry)) is not None:
        return kept
    started = time.perf_counter()
    splits = source.read(root, skip_bad=skip_bad)
    parts = (splits.train, splits.val, splits.test)
    if time.perf_counter() - started > _WORTH_SECONDS and not any(
        part is not None and not isinstance(part, Images) for part in parts
    ):
        _save(splits, entry)
    return splits


def _key(source: Source, folder: Path, skip_bad: bool) -> str:
    state: list[Any] = [_FORMAT, type(source).__qualname__, repr(source), skip_bad]
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            state.append((str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(state).encode()).hexdigest()[:32]


def _load(entry: Path) -> Splits | None:
    if not entry.is_file():
        return None
    try:
        kept = torch.load(entry, mmap=True, weights_only=True)
        parts = {name: Images(**part) for name, part in kept["parts"].items()}
        return Splits(parts["train"], parts.get("test"), parts.get("val"), kept["skipped"])
    except Exception as error:  # whatever a damaged file raises
        log.warning("%s: damaged cache entry, read anew (%s)", entry, error)
        return None


def _save(splits: Splits, entry: Path) -> None:
    parts = {name: getattr(splits, name) for name in ("train", "val", "test")}
    kept = {
        "parts": {name: vars(part) for name, part in parts.items() if part is not None},
        "skipped": splits.skipped,
    }
    content = io.BytesIO()
    torch.save(kept, content)
    try:
        write_atomic(entry, content.getbuffer())
    except OSError as error:
        log.warning("%s: decoded images not kept (%s)", entry, error)
