"""What is in the parts of a data set: images of each class, and copies of one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from fovea.data.image.depth import Depth
from fovea.data.image.parts import Part

_NAMES = {"train": "training", "val": "validation", "test": "test"}
_CLASSES = 4  # listed of each part


@dataclass(frozen=True)
class Copies:
    """Images whose files have equal bytes.

    Args:
        within: how many of each part repeat an image of the same part.
        of_training: how many of each other part are in the training part too.
        ambiguous: how many have a copy in another class.
    """

    within: Mapping[str, int] = field(default_factory=dict)
    of_training: Mapping[str, int] = field(default_factory=dict)
    ambiguous: int = 0


@dataclass(frozen=True)
class Inventory:
    """What was found in a data set.

    Args:
        notes: lines about its files, and each part's size, origin and classes.
        deviations: in what the parts depart from testing on images that were not trained on.
        warnings: lines about what else is likely to spoil the numbers.
        copies: ``None`` for a set without files of its own.
        bits: in use in 16-bit grey images.
    """

    notes: list[str]
    deviations: list[str]
    warnings: list[str]
    copies: Copies | None
    bits: int


def take_inventory(
    parts: Mapping[str, Part],
    classes: Sequence[str],
    found: Sequence[str],
    depth: Depth,
    flat: Mapping[int, int],
) -> Inventory:
    """Describe the parts of a data set.

    Args:
        parts: as a run trains, validates and tests on them.
        classes: names in label order.
        found: the source's own notes.
        depth: of the training part's 16-bit files.
        flat: channels of one value in all training images, with that value.
    """
    copies = _find_copies(parts)
    return Inventory(
        notes=[*found, *(_describe(name, part, classes) for name, part in parts.items())],
        deviations=_leaks(copies, parts),
        warnings=[
            *_repeats(copies),
            *depth.warnings,
            *(
                f"channel {channel + 1} is {value} of 255 in every pixel of the training images"
                for channel, value in flat.items()
            ),
        ],
        copies=copies,
        bits=depth.bits,
    )


def _describe(name: str, part: Part, classes: Sequence[str]) -> str:
    counts = torch.bincount(part.labels, minlength=len(classes)).tolist()
    listed = [f"{name} {count}" for name, count in zip(classes, counts, strict=True)]
    if len(listed) > _CLASSES + 1:
        listed = [*listed[:_CLASSES], f"… {len(listed) - _CLASSES} more"]
    origin = f" ({part.origin})" if part.origin else ""
    return f"{name} {len(part)}{origin}: {', '.join(listed)}"


def _find_copies(parts: Mapping[str, Part]) -> Copies | None:
    content = {name: part.content for name, part in parts.items()}
    if "val" in parts and parts["val"].rows is parts["test"].rows:  # validated on the test part
        del content["val"]
    arrays = {name: ids.numpy() for name, ids in content.items() if ids is not None}
    if "train" not in arrays:
        return None
    pairs = np.unique(
        np.concatenate(
            [np.stack([ids, parts[name].labels.numpy()], 1) for name, ids in arrays.items()]
        ),
        axis=0,
    )
    images, classes = np.unique(pairs[:, 0], return_counts=True)
    ambiguous = images[classes > 1]
    return Copies(
        within={name: len(ids) - len(np.unique(ids)) for name, ids in arrays.items()},
        of_training={
            name: int(np.isin(ids, arrays["train"]).sum())
            for name, ids in arrays.items()
            if name != "train"
        },
        ambiguous=sum(int(np.isin(ids, ambiguous).sum()) for ids in arrays.values()),
    )


def _leaks(copies: Copies | None, parts: Mapping[str, Part]) -> list[str]:
    if copies is None:
        return []
    return [
        f"{count} of {len(parts[name])} {_NAMES[name]} images "
        + ("is a copy of a training image" if count == 1 else "are copies of training images")
        for name, count in copies.of_training.items()
        if count
    ]


def _repeats(copies: Copies | None) -> list[str]:
    if copies is None:
        return []
    lines = [
        f"images repeated within the {_NAMES[name]} part: {count}"
        for name, count in copies.within.items()
        if count
    ]
    if copies.ambiguous:
        lines.append(f"images with a copy in another class: {copies.ambiguous}")
    return lines
