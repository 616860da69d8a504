"""Decoded data sets kept on disk, so that WebP, PNG and CSV are decoded once on a machine.

An entry is one file of pixels, memory-mapped when it is read, and one of JSON beside it: what a
source decodes is kept as it came, the pixels of image files are kept fitted. It is named by a hash
of all that decides its content: the code that decodes, and the name, size and modification time of
every file. It may be deleted at any time; what is damaged in it is decoded anew.
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
from fovea.config.code import code_of_modules, foreign_code
from fovea.config.regular import open_regular, read_regular
from fovea.config.types import height_and_width
from fovea.data.image.memory import GIB
from fovea.data.image.source import Images, Source, Splits
from fovea.records import atomic_stream

log = logging.getLogger(__name__)

WORTH_SECONDS = 1.0  # sets that are decoded faster are not kept

_ABOUT_BYTES = 2**30  # of the JSON beside pixels, at most
_LEFT_FREE = 5 * GIB  # of the disk; a tenth of a small one
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(pixels|json)\.\w+")  # as atomic_stream names them
_ABANDONED_SECONDS = 3600.0  # after which a file that is not written any further has no writer


def read_cached(source: Source, root: Path, *, skip_bad: bool) -> Splits:
    """Read a source, or what an earlier reading of the same files left on disk.

    Sources of :class:`Files`, which are decoded later, and those without a ``folder`` are always
    read. A cache that cannot be written or read is done without.

    Raises:
        DataError: as ``source.read``.
    """
    folder = getattr(source, "folder", None)
    spec = source.spec(root) if folder else None
    if not folder or spec is None or spec.image_size is None:
        return source.read(root, skip_bad=skip_bad)
    files = [state_of(path) for path in sorted((root / folder).rglob("*")) if path.is_file()]
    kind = type(source)
    target = f"{kind.__module__}.{kind.__qualname__}"
    code = code_of_modules([kind.__module__]) | foreign_code({"_target_": target})
    shape = *height_and_width(spec.image_size), spec.channels
    entry = entry_of(code, target, repr(source), skip_bad, shape, files)
    if (kept := load_pixels(entry, shape)) is not None:
        try:
            return _splits(*kept, len(spec.classes))
        except Exception as error:  # whatever a damaged file raises
            warn_of_damage(entry, error)
    started = time.perf_counter()
    splits = source.read(root, skip_bad=skip_bad)
    if time.perf_counter() - started > WORTH_SECONDS:
        images = [part for part in splits.parts.values() if isinstance(part, Images)]
        if all(part.pixels.shape[1:] == shape for part in images) and len(images) == len(
            splits.parts
        ):
            size = sum(part.pixels.nbytes for part in images)
            keep_pixels(entry, size, lambda stream: _write(splits, stream))
    return splits


def entry_of(*state: Any) -> Path:
    """Return the name, less its suffix, of what is decoded in a state that ``repr`` tells whole.

    Digests of this module and of what it imports are part of it.
    """
    own = code_of_modules([__name__])
    digest = hashlib.sha256(repr((own, PIL.__version__, *state)).encode())
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
        kept = json.loads(read_regular(about, _ABOUT_BYTES))
        with open_regular(entry.with_suffix(".pixels")) as file:
            pixels = as_images(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), shape)
        if len(pixels) != kept["count"]:
            raise ValueError(f"{len(pixels)} images instead of {kept['count']}")
        return pixels, kept
    except Exception as error:  # whatever a damaged file raises
        warn_of_damage(entry, error)
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


def _write(splits: Splits, stream: BinaryIO) -> dict[str, Any]:
    """Write the pixels of a set's parts one after another; return what is kept with them."""
    labels: dict[str, list[int]] = {}
    for name, part in splits.parts.items():
        assert isinstance(part, Images)
        stream.write(part.pixels.contiguous().numpy().data)
        labels[name] = part.labels.tolist()
    count = sum(map(len, labels.values()))
    return {"count": count, "labels": labels, "skipped": splits.skipped}


def _splits(pixels: Tensor, kept: Mapping[str, Any], classes: int) -> Splits:
    """Return what :func:`_write` wrote.

    Raises:
        Exception: of any type, where the two files do not fit each other or the classes.
    """
    if sum(map(len, kept["labels"].values())) != len(pixels):
        raise ValueError("not one label for each image")
    parts: dict[str, Images] = {}
    start = 0
    for name, labels in kept["labels"].items():
        if not all(type(label) is int and 0 <= label < classes for label in labels):
            raise ValueError(f"labels outside 0–{classes - 1}")
        numbers = torch.tensor(labels, dtype=torch.int64)
        parts[name] = Images(pixels[start : start + len(labels)], numbers)
        start += len(labels)
    return Splits(parts["train"], parts.get("test"), parts.get("val"), kept["skipped"])


def warn_of_damage(entry: Path, error: Exception) -> None:
    """Log that an entry is of no use."""
    log.warning("%s: damaged cache entry, decoded anew (%s)", entry, error)
