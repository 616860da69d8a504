"""Decoded data sets kept on disk, so that WebP, PNG and CSV are decoded once on a machine.

What a source decodes is kept as it came, in one file. Pixels of image files are kept fitted: one
file of them, memory-mapped when it is read, and one of JSON beside it. An entry is named by a hash
of all that decides its content, the name, size and modification time of every file among it. It may
be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import re
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
import torch
from torch import Tensor

from fovea.config import paths
from fovea.data.memory import GIB
from fovea.data.source import Images, Source, Splits
from fovea.records import atomic_stream

log = logging.getLogger(__name__)

WORTH_SECONDS = 1.0  # sets that are decoded faster are not kept

_FORMAT = 2
_LEFT_FREE = 5 * GIB  # of the disk; a tenth of a small one
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(pixels|json|pt)\.\w+")  # as atomic_stream names them
_ABANDONED_SECONDS = 3600.0  # after which a file that is not written any further has no writer


def read_cached(source: Source, root: Path, *, skip_bad: bool) -> Splits:
    """Read a source, or what an earlier reading of the same files left on disk.

    Sources of :class:`Files`, which are decoded later, and those without a ``folder`` are always
    read. A cache that cannot be written or read is done without.

    Raises:
        DataError: as ``source.read``.
    """
    folder = getattr(source, "folder", None)
    if not folder or source.spec(root).image_size is None:
        return source.read(root, skip_bad=skip_bad)
    files = [state_of(path) for path in sorted((root / folder).rglob("*")) if path.is_file()]
    entry = entry_of(type(source).__qualname__, repr(source), skip_bad, files).with_suffix(".pt")
    if (kept := _load(entry)) is not None:
        return kept
    started = time.perf_counter()
    splits = source.read(root, skip_bad=skip_bad)
    seconds = time.perf_counter() - started
    if seconds > WORTH_SECONDS and all(isinstance(part, Images) for part in splits.parts.values()):
        _keep(entry, lambda stream: _save(splits, stream))
    return splits


def entry_of(*state: Any) -> Path:
    """Return the name, less its suffix, of what is decoded in a state that ``repr`` tells whole."""
    digest = hashlib.sha256(repr((_FORMAT, PIL.__version__, *state)).encode())
    return paths.cache() / digest.hexdigest()[:32]


def load_pixels(entry: Path, shape: tuple[int, int, int]) -> tuple[Tensor, dict[str, Any]] | None:
    """Map the pixels of an entry.

    Args:
        entry: as :func:`entry_of` names it.
        shape: of one image, ``(H, W, C)``.

    Returns:
        uint8 ``(N, H, W, C)``, read-only, and what was kept with them; ``None`` without an entry.
    """
    about = entry.with_suffix(".json")
    if not about.is_file():
        return None
    try:
        kept = json.loads(about.read_text(encoding="utf-8"))
        with entry.with_suffix(".pixels").open("rb") as file:
            pixels = as_images(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), shape)
        if len(pixels) != kept["count"]:
            raise ValueError(f"{len(pixels)} images instead of {kept['count']}")
        return pixels, kept
    except Exception as error:  # whatever a damaged file raises
        log.warning("%s: damaged cache entry, decoded anew (%s)", entry, error)
        return None


def keep_pixels(
    entry: Path, size: int, write: Callable[[BinaryIO], Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Keep pixels as they are decoded.

    Args:
        entry: as :func:`entry_of` names it.
        size: in bytes, at most.
        write: writes image after image and returns what to keep with them, their ``count`` too.

    Returns:
        What ``write`` returned; ``None`` where the disk has no room, or is not to be written.
    """
    about = _keep(entry.with_suffix(".pixels"), write, size)
    if about is not None:  # only now is the entry one
        text = json.dumps(about).encode()
        _keep(entry.with_suffix(".json"), lambda stream: stream.write(text))
    return about


def as_images(buffer: Any, shape: tuple[int, int, int]) -> Tensor:
    """View bytes as uint8 ``(N, H, W, C)``; what is read-only has to stay as it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.frombuffer(buffer, np.uint8).reshape(-1, *shape))


def state_of(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file does: its name, size in bytes, and time of writing."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


def _keep(entry: Path, write: Callable[[BinaryIO], Any], size: int = 0) -> Any:
    """Write a file of the cache; ``None`` instead of what ``write`` returns if it cannot be."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _sweep(entry.parent)
        disk = shutil.disk_usage(entry.parent)
        left_free = min(_LEFT_FREE, disk.total // 10)
        if disk.free - size < left_free:
            wanted = f"{size / GIB:.2f} GiB would leave less than {left_free / GIB:.2f} GiB free"
            raise OSError(wanted)
        with atomic_stream(entry) as stream:
            return write(stream)
    except OSError as error:
        log.warning("%s: decoded images not kept (%s)", entry, error)
        return None


def _sweep(folder: Path) -> None:
    """Remove what writers that were killed have left, and nothing that is not the cache's."""
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and (
            time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
        ):
            path.unlink()


def _save(splits: Splits, stream: BinaryIO) -> None:
    parts = {name: vars(part) for name, part in splits.parts.items()}
    torch.save({"parts": parts, "skipped": splits.skipped}, stream)


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
