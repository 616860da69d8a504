"""What is in the parts of a data set: samples of each class, and copies of one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from fovea.data.parts import Labelled, Part

Parts = Mapping[str, Part[Labelled]]

_NAMES = {"train": "training", "val": "validation", "test": "test"}
_CLASSES = 4  # listed of each part


@dataclass(frozen=True)
class Copies:
    """Samples of equal content: images whose files have equal bytes, equal texts.

    Args:
        within: how many of each part repeat a sample of the same part.
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
        deviations: in what the parts depart from testing on samples that were not trained on.
        warnings: lines about what else is likely to spoil the numbers.
        copies: ``None`` where it is not known which samples are equal.
    """

    notes: list[str]
    deviations: list[str]
    warnings: list[str]
    copies: Copies | None


def take_inventory(
    parts: Parts,
    classes: Sequence[str],
    *,
    noun: str = "image",
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Inventory:
    """Describe the parts of a data set.

    Args:
        parts: as a run trains, validates and tests on them.
        classes: names in label order.
        noun: what the samples are called.
        notes, warnings: what else was found.
    """
    copies = _find_copies(parts)
    return Inventory(
        notes=[*notes, *(_describe(name, part, classes) for name, part in parts.items())],
        deviations=_leaks(copies, parts, noun),
        warnings=[*_repeats(copies, noun), *warnings],
        copies=copies,
    )


def _describe(name: str, part: Part[Labelled], classes: Sequence[str]) -> str:
    counts = torch.bincount(part.labels, minlength=len(classes)).tolist()
    listed = [f"{name} {count}" for name, count in zip(classes, counts, strict=True)]
    if len(listed) > _CLASSES + 1:
        listed = [*listed[:_CLASSES], f"… {len(listed) - _CLASSES} more"]
    origin = f" ({part.origin})" if part.origin else ""
    return f"{name} {len(part)}{origin}: {', '.join(listed)}"


def _find_copies(parts: Parts) -> Copies | None:
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
    contents, classes = np.unique(pairs[:, 0], return_counts=True)
    ambiguous = contents[classes > 1]
    return Copies(
        within={name: len(ids) - len(np.unique(ids)) for name, ids in arrays.items()},
        of_training={
            name: int(np.isin(ids, arrays["train"]).sum())
            for name, ids in arrays.items()
            if name != "train"
        },
        ambiguous=sum(int(np.isin(ids, ambiguous).sum()) for ids in arrays.values()),
    )


def _leaks(copies: Copies | None, parts: Parts, noun: str) -> list[str]:
    if copies is None:
        return []
    return [
        f"{count} of {len(parts[name])} {_NAMES[name]} {noun}s "
        + (f"is a copy of a training {noun}" if count == 1 else f"are copies of training {noun}s")
        for name, count in copies.of_training.items()
        if count
    ]


def _repeats(copies: Copies | None, noun: str) -> list[str]:
    if copies is None:
        return []
    lines = [
        f"{noun}s repeated within the {_NAMES[name]} part: {count}"
        for name, count in copies.within.items()
        if count
    ]
    if copies.ambiguous:
        lines.append(f"{noun}s with a copy in another class: {copies.ambiguous}")
    return lines
