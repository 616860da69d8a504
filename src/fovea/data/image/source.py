"""What a data set is before it is split and batched: a source, and what reading it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor

from fovea.config.errors import DataError
from fovea.config.regular import read_regular
from fovea.config.types import Pixels, as_pixels, height_and_width

_IMAGE_BYTES = 2**30  # of one file, at most: more than Pillow's limit of pixels takes


@dataclass(frozen=True)
class Spec:
    """What a data set looks like; known before its images are read.

    Args:
        classes: names in label order, so that ``classes[label]`` is a sample's class.
        channels: 1 (grey) or 3 (RGB; also where files have any mode).
        image_size: side of the images in pixels, or ``[height, width]``; ``None`` where files have
            any size.
    """

    classes: tuple[str, ...]
    channels: int
    image_size: Pixels | None

    def __post_init__(self) -> None:
        if self.image_size is not None:
            object.__setattr__(self, "image_size", as_pixels(*height_and_width(self.image_size)))


@dataclass(frozen=True)
class Images:
    """Labelled images of one size, in memory or memory-mapped.

    Args:
        pixels: uint8, ``(N, H, W, C)``.
        labels: int64, ``(N,)``.
        content: see :class:`Files`.
        items: the files they were decoded from, if they were.
    """

    pixels: Tensor
    labels: Tensor
    content: Tensor | None = None
    items: Sequence[ImageFile] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def groups(self) -> list[str] | None:
        """See :class:`~fovea.data.parts.Labelled`."""
        return None if self.items is None else _groups(self.items)


@dataclass(frozen=True)
class ImageFile:
    """One encoded image (PNG, JPEG, WebP …), on disk or in memory.

    Args:
        name: what errors and tables call it; bytes that are no text become escapes.
        content: where the file lies, or its bytes.
        group: of its set's images, of which none is split from the others; ``None`` is none.
    """

    name: str
    content: Path | bytes
    group: str | None = None

    def __post_init__(self) -> None:
        text = self.name.encode("utf-8", "backslashreplace").decode()
        object.__setattr__(self, "name", text)

    def read(self) -> bytes:
        """Return the encoded bytes.

        Raises:
            DataError: the file is gone, may not be read, is no regular file or larger than 1 GiB.
        """
        if isinstance(self.content, bytes):
            return self.content
        try:
            return read_regular(self.content, _IMAGE_BYTES)
        except OSError as error:
            raise DataError(f"{self.name}: {error.strerror or error}") from error


@dataclass(frozen=True)
class Files:
    """Labelled image files of any size and mode; they are decoded when a batch needs them.

    Args:
        items: one per sample.
        labels: int64, ``(N,)``.
        content: int64, ``(N,)``, equal for files of equal bytes in any part; ``None`` until known.
    """

    items: Sequence[ImageFile]
    labels: Tensor
    content: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def groups(self) -> list[str] | None:
        """See :class:`~fovea.data.parts.Labelled`."""
        return _groups(self.items)


def _groups(items: Sequence[ImageFile]) -> list[str] | None:
    found = [item.group for item in items if item.group is not None]
    return found if len(found) == len(items) else None


@dataclass(frozen=True)
class Splits:
    """What a source holds. ``val`` and ``test`` are ``None`` where the source has no such part.

    Raises:
        DataError: a part is there and has no images, or none that can be decoded.
    """

    train: Images | Files
    test: Images | Files | None
    val: Images | Files | None = None
    skipped: list[str] = field(default_factory=list)  # "file: reason", with data.skip_bad=true
    notes: list[str] = field(default_factory=list)  # what was found and is not in the parts

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            if not len(part):
                why = f": {self.skipped[0]}" if self.skipped else ""
                raise DataError(f"the {name} part has no image that can be used{why}")

    @property
    def parts(self) -> dict[str, Images | Files]:
        """The parts there are, by name."""
        every = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in every.items() if part is not None}


@runtime_checkable
class Source(Protocol):
    """One data set or one format. Adding a data set is adding a source and its config file."""

    def spec(self, root: Path) -> Spec:
        """Describe the data set without reading its images.

        Raises:
            DataError: nothing usable under ``root``; the message says what to put where.
        """
        ...

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        """Read every part.

        Args:
            root: the data root; the source's own folder lies below it. May be read-only.
            skip_bad: leave out samples that cannot be decoded and list them in ``Splits.skipped``.
                Samples returned as :class:`Files` are decoded, and skipped, later.

        Raises:
            DataError: a file or row is malformed (and not skipped); names file, row and reason.
        """
        ...


@runtime_checkable
class Downloadable(Source, Protocol):
    """A source that can fetch its data set."""

    def download(self, root: Path) -> None:
        """Fetch what is missing below ``root``; nothing where the data set is there already.

        Raises:
            DataError: no network, no permission to write, or not what was asked for.
        """
        ...
