"""Image files decoded in order: into memory, once onto the disk, or never all at once."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fovea.config.code import code_of_modules
from fovea.config.errors import DataError
from fovea.data.image import cache
from fovea.data.image.depth import Depth, measure_depth
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.fit import Decoding, decode_fitted
from fovea.data.image.memory import GIB, allowance, is_shared_memory_enough
from fovea.data.image.source import Files, ImageFile, Images, Splits

log = logging.getLogger(__name__)

Chunk = tuple[Tensor, list[int], list[str]]  # as decode_fitted returns it

_CHUNK_BYTES = 4 * 2**20  # of pixels a worker decodes at once
_AHEAD = 2  # chunks each worker decodes before they are asked for
_SAMPLE = 32  # files of each part that are timed


@dataclass(frozen=True)
class Decoded:
    """A data set as it is held.

    Args:
        splits: its parts; :class:`Files` where neither memory nor disk has room for their pixels.
            What cannot be decoded is left out of them and listed.
        fingerprint: of the set as it was read.
        depth: of the 16-bit files of its training part.
        mapped: the pixels are memory-mapped, and need not fit in memory.
    """

    splits: Splits
    fingerprint: str
    depth: Depth = field(default_factory=Depth)
    mapped: bool = False


@dataclass(frozen=True)
class Packet:
    """A chunk on its way from the process that decoded it.

    Args:
        pixels, index, reasons: as :func:`decode_fitted` returns them.
        shared: the pixels go through shared memory, as torch's tensors do; else through a pipe.
    """

    pixels: Tensor
    index: list[int]
    reasons: list[str]
    shared: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        pixels = self.pixels if self.shared else self.pixels.numpy()
        return _unpack, (pixels, self.index, self.reasons)

    def pin_memory(self) -> Packet:
        """Return it in memory that a GPU reads by itself; torch's loader calls this."""
        return replace(self, pixels=self.pixels.pin_memory())


class Decoder(Dataset[Packet]):
    """Maps indices to what :func:`decode_fitted` returns of them; names the bad, never raises.

    Args:
        files: what the indices are of.
        decoding: size, channels and fit mode.
        at_once: images that worker processes hold ready together; 0 without such.
    """

    def __init__(self, files: Files, decoding: Decoding, at_once: int) -> None:
        self.files = files
        self.decoding = decoding
        self._shared = not at_once or is_shared_memory_enough(at_once * prod(decoding.shape))

    def __getitem__(self, index: Any) -> Packet:
        chunk = decode_fitted(self.files, index, *self.decoding, skip_bad=True)
        return Packet(*chunk, shared=self._shared)


def decode_set(
    splits: Splits,
    decoding: Decoding,
    *,
    skip_bad: bool,
    workers: int,
    limit: float | Literal["auto"],
) -> Decoded:
    """Decode the image files of a set, where their pixels can be held.

    Grey files of 16 bits are scaled by the bits that those of the training part use.

    Args:
        splits: as read; parts that are decoded already stay as they are.
        decoding: size, channels and fit mode; its bits are measured.
        skip_bad: leave out what cannot be decoded.
        workers: decoding processes.
        limit: see :func:`allowance`.

    Raises:
        DataError: a file cannot be decoded, and ``skip_bad`` is false.
    """
    files = {name: part for name, part in splits.parts.items() if isinstance(part, Files)}
    if not files:
        return Decoded(splits, fingerprint(splits))
    shape = decoding.shape
    needed = sum(map(len, files.values())) * prod(shape)
    states = [[_state(file) for file in part.items] for part in files.values()]
    entry = cache.entry_of(code_of_modules([__name__]), decoding, skip_bad, list(files), states)
    kept = cache.load_pixels(entry, shape)
    if kept is not None:
        try:
            return _held(splits, files, *kept, mapped=True)
        except Exception as error:  # whatever a damaged file raises
            cache.warn_of_damage(entry, error)

    depth = Depth() if "train" not in files else measure_depth(files["train"])
    decoding = decoding._replace(bits=depth.bits)
    write = partial(_write, splits, files, decoding, depth, skip_bad=skip_bad)
    slow = _estimate(files, decoding) > cache.WORTH_SECONDS
    workers = workers if slow else 0
    if slow and cache.keep_pixels(entry, needed, partial(write, workers=workers)):
        kept = cache.load_pixels(entry, shape)
    if kept is not None:
        return _held(splits, files, *kept, mapped=True)

    allowed = allowance(limit, torch.device("cpu"))
    if needed <= allowed:
        stream = io.BytesIO()
        about = write(stream, workers=workers)
        return _held(splits, files, cache.as_images(stream.getbuffer(), shape), about)
    log.info(
        "%.2f GiB of pixels, %.2f GiB of memory allowed: decoded as needed in every epoch",
        needed / GIB,
        allowed / GIB,
    )
    if not skip_bad:
        return _held(splits, files, None, _describe(splits, depth))
    with Path(os.devnull).open("wb") as nowhere:
        about = write(nowhere, workers=workers)
    return _held(splits, files, None, about)


def decode_in_order(
    files: Files, index: Sequence[int], decoding: Decoding, *, skip_bad: bool, workers: int
) -> Iterator[Chunk]:
    """Decode some files of a part, a bounded number at a time.

    Yields:
        As :func:`decode_fitted` returns them, in the order of ``index``.

    Raises:
        DataError: a file cannot be decoded, and ``skip_bad`` is false.
    """
    length = max(1, _CHUNK_BYTES // prod(decoding.shape))
    chunks = [index[start : start + length] for start in range(0, len(index), length)]
    for packet in DataLoader(
        Decoder(files, decoding, workers * _AHEAD * length),
        sampler=chunks,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        generator=torch.Generator(),  # else it draws from the run's, and changes its dropout
    ):
        if packet.reasons and not skip_bad:
            raise DataError(packet.reasons[0])
        yield packet.pixels, packet.index, packet.reasons


def _unpack(pixels: Tensor | NDArray[np.uint8], index: list[int], reasons: list[str]) -> Packet:
    return Packet(torch.as_tensor(pixels), index, reasons)


def _write(
    splits: Splits,
    files: Mapping[str, Files],
    decoding: Decoding,
    depth: Depth,
    stream: BinaryIO,
    *,
    skip_bad: bool,
    workers: int,
) -> dict[str, Any]:
    """Write every image's pixels and return what the cache keeps with them."""
    count = 0
    bad: dict[str, list[int]] = {}
    skipped: list[str] = []
    for name, part in files.items():
        kept: list[int] = []
        for pixels, index, reasons in decode_in_order(
            part, range(len(part)), decoding, skip_bad=skip_bad, workers=workers
        ):
            stream.write(pixels.numpy().data)
            kept += index
            skipped += reasons
        count += len(kept)
        bad[name] = sorted(set(range(len(part))).difference(kept))
    return _describe(splits, depth) | {"count": count, "bad": bad, "skipped": skipped}


def _describe(splits: Splits, depth: Depth) -> dict[str, Any]:
    """Return what is known of a set whose files are all good, in a form that JSON keeps."""
    twins: dict[int, int] = {}
    return {
        "fingerprint": fingerprint(splits, twins),
        "twins": list(twins.items()),
        "depth": asdict(depth),
        "bad": {},
        "skipped": [],
    }


def _held(
    splits: Splits,
    files: Mapping[str, Files],
    pixels: Tensor | None,
    about: Mapping[str, Any],
    *,
    mapped: bool = False,
) -> Decoded:
    """Return the set without its bad files and, if there are pixels, with these for the files."""
    content = torch.arange(sum(map(len, files.values())))
    for file, first in about["twins"]:
        content[file] = first
    parts: dict[str, Any] = {}
    start = offset = 0
    for name, part in files.items():
        bad = set(about["bad"].get(name, ()))
        good = [item for item in range(len(part)) if item not in bad]
        items = [part.items[item] for item in good]
        same = content[offset : offset + len(part)][good]
        offset += len(part)
        if pixels is not None and start + len(good) > len(pixels):
            raise ValueError("fewer images than files")
        if pixels is None:
            parts[name] = Files(items, part.labels[good], same)
        else:
            held_pixels = pixels[start : start + len(good)]
            parts[name] = Images(held_pixels, part.labels[good], same, items)
        start += len(good)
    held = replace(splits, skipped=[*splits.skipped, *about["skipped"]], **parts)
    return Decoded(held, about["fingerprint"], Depth(**about["depth"]), mapped)


def _state(file: ImageFile) -> Any:
    """Return what changes when a file does, in a form that ``repr`` tells whole."""
    if isinstance(file.content, bytes):
        return sha256(file.content).hexdigest()
    try:
        return cache.state_of(file.content)
    except OSError:
        return None  # decoding it says what is wrong


def _estimate(files: Mapping[str, Files], decoding: Decoding) -> float:
    """Return about how many seconds one core takes to decode everything."""
    seconds = 0.0
    for part in files.values():
        index = range(0, len(part), max(1, len(part) // _SAMPLE))
        started = time.perf_counter()
        decode_fitted(part, index, *decoding, skip_bad=True)
        seconds += (time.perf_counter() - started) * len(part) / max(1, len(index))
    return seconds
