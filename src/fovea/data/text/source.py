"""What a set of texts is before it is split and batched: a source, and what reading it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class LabelledTexts:
    """Labelled texts.

    Args:
        samples: the texts.
        labels: int64, ``(N,)``.
        names: what errors and tables call each, whatever the data root: file and line.
        content: int64, ``(N,)``, equal for equal texts in any part; ``None`` until known.
        groups: see :class:`~fovea.data.parts.Labelled`.
    """

    samples: Sequence[str]
    labels: Tensor
    names: Sequence[str]
    content: Tensor | None = None
    groups: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class TextSet:
    """What a source holds.

    Args:
        classes: names in label order.
        parts: ``train`` and, where the set has such, ``val`` and ``test``.
        notes: what was found and is not in the parts.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, LabelledTexts]
    notes: Sequence[str] = field(default_factory=list)


@runtime_checkable
class TextSource(Protocol):
    """One set of texts or one format."""

    def read(self, root: Path) -> TextSet:
        """Read every part.

        Args:
            root: the data root; the source's own files lie below it. May be read-only.

        Raises:
            DataError: a file is missing or malformed; names file, line and reason.
        """
        ...
