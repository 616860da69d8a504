"""What a set of images and masks is before it is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from fovea.data.image.source import ImageFile, Spec
from fovea.data.segmentation.coding import Coding


@dataclass(frozen=True)
class Pair:
    """An image, and the mask that says which class each of its pixels is of."""

    image: ImageFile
    mask: ImageFile


@dataclass(frozen=True)
class Pairs:
    """What a source holds.

    Args:
        parts: ``train`` and, where the source has them, ``val`` and ``test``; none is empty.
        notes: what was found and is not in the parts.
    """

    parts: Mapping[str, Sequence[Pair]]
    notes: Sequence[str] = field(default_factory=list)


@runtime_checkable
class MaskSource(Protocol):
    """One data set or format of images with masks; a :class:`~fovea.data.image.source.Source`."""

    def spec(self, root: Path) -> Spec:
        """Describe the data set without reading its images."""
        ...

    def coding(self) -> Coding:
        """Return what the values of its masks mean."""
        ...

    def read(self, root: Path, *, skip_bad: bool) -> Pairs:
        """Find every image and its mask; they are decoded later.

        Raises:
            DataError: nothing usable under ``root``, or an image without a mask.
        """
        ...
