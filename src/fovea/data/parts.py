"""The parts a run trains, validates and tests on: a set's own, or held out of its training part."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from fovea.config.errors import DataError
from fovea.data.folds import Indices, deal

ValidateOn = Literal["validation", "test"]

_DEFAULTS = {"val_fraction": 0.1, "test_fraction": 0.2}  # as conf/data has them


class Labelled(typing.Protocol):
    """Samples of which each is of a class."""

    @property
    def labels(self) -> Tensor:
        """int64, ``(N,)``."""
        ...

    @property
    def content(self) -> Tensor | None:
        """int64, ``(N,)``, equal for equal samples in any part; ``None`` until known."""
        ...

    @property
    def groups(self) -> Sequence[str] | None:
        """The group of each sample: those of one are in one part; ``None`` where each is alone."""
        ...

    def __len__(self) -> int: ...


Samples = TypeVar("Samples", bound=Labelled, covariant=True)


@dataclass(frozen=True)
class Part(Generic[Samples]):
    """Samples a split has chosen from a part of the source, which stays as it is.

    Args:
        of: that part.
        rows: int64, which of its samples.
        source: the name of that part.
        origin: how the split came to it, and which keys had no effect; '' for a part of its own.
    """

    of: Samples
    rows: Tensor
    source: str
    origin: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> Tensor:
        return self.of.labels[self.rows]

    @property
    def content(self) -> Tensor | None:
        """See :class:`Labelled`."""
        return None if self.of.content is None else self.of.content[self.rows]

    @property
    def groups(self) -> list[str] | None:
        """See :class:`Labelled`."""
        of = self.of.groups
        return None if of is None else [of[int(row)] for row in self.rows]


@dataclass(frozen=True)
class Protocol:
    """How a set is split; see :class:`~fovea.data.image.module.ImageData` for each.

    Args:
        noun: what the samples are called.
    """

    val_fraction: float
    test_fraction: float
    validate_on: ValidateOn
    split_seed: int
    folds: int | None = None
    fold: int = 0
    noun: str = "image"


def split_parts(
    own: Mapping[str, Samples], protocol: Protocol, classes: Sequence[str]
) -> dict[str, Part[Samples]]:
    """Return the parts the protocol asks for: train, test and, if there is one, val.

    Args:
        own: the set's own parts, by the same names; ``train`` is one.
        protocol: how they are split.
        classes: names in label order.

    Raises:
        DataError: a part cannot be held out, or has a class that the training part has not.
    """
    whole = {name: Part(part, torch.arange(len(part)), name) for name, part in own.items()}
    train, val, test = whole["train"], whole.get("val"), whole.get("test")
    noun = protocol.noun
    if protocol.folds:
        unused = f"; the set's own {len(test)} test {noun}s are unused" if test else ""
        train, test = _deal(train, protocol.folds, protocol)
        ineffective = _unused("test_fraction", protocol)
        more = unused + (f"; {ineffective}" if ineffective else "")
        test = replace(test, origin=f"{test.origin}{more}")
    elif test is None:
        train, test = _hold_out(train, "test_fraction", protocol, classes)
        test = replace(test, origin=f"{test.origin}: the set has no test part")
    else:
        test = replace(test, origin=_unused("test_fraction", protocol))
    if protocol.validate_on == "test":
        unused = f"; the set's own {len(val)} validation {noun}s are unused" if val else ""
        ineffective = _unused("val_fraction", protocol)
        origin = f"the test part{unused}" + (f"; {ineffective}" if ineffective else "")
        val = replace(test, origin=origin)
    elif val is not None:
        val = replace(val, origin=_unused("val_fraction", protocol))
    elif protocol.val_fraction > 0:
        train, val = _hold_out(train, "val_fraction", protocol, classes)
    if protocol.split_seed and test.source == "test" and (val is None or val.source != "train"):
        train = replace(train, origin=f"data.split_seed={protocol.split_seed} has no effect here")
    parts = {"train": train, "val": val, "test": test}
    found = {name: part for name, part in parts.items() if part is not None}
    _check_classes(classes, found)
    return found


def require_batch(train: Part[Labelled], batch_size: int) -> None:
    """Raise DataError where the training part of images is smaller than a batch."""
    if len(train) < batch_size:
        raise DataError(
            f"{len(train)} training images are fewer than batch_size={batch_size}; "
            f"set batch_size={len(train)} or less"
        )


def _unused(key: str, protocol: Protocol) -> str:
    """Say that a fraction other than the default, and so one that was asked for, does nothing."""
    fraction = getattr(protocol, key)
    if fraction in (_DEFAULTS[key], 0):
        return ""
    return f"data.{key}={fraction} has no effect here"


def _hold_out(
    part: Part[Samples],
    key: Literal["val_fraction", "test_fraction"],
    protocol: Protocol,
    classes: Sequence[str],
) -> tuple[Part[Samples], Part[Samples]]:
    """Split a part in two, stratified by class; the second holds the fraction ``key`` names."""
    fraction, labels, noun = getattr(protocol, key), part.labels, protocol.noun
    if (groups := part.groups) is not None:
        asked = f"data.{key}={fraction}"
        count = max(2, round(1 / fraction))
        dealt = deal(labels.numpy(), count, 0, protocol.split_seed, groups, asked)
        return _parted(part, dealt, f"{asked}, in whole groups, of {len(part)} training {noun}s")
    count = ceil(fraction * len(labels))
    sizes = torch.bincount(labels, minlength=len(classes)).tolist()
    if lonely := [label for label, size in enumerate(sizes) if size == 1]:
        more = f" (and {len(lonely) - 1} more classes)" if len(lonely) > 1 else ""
        left = " left" if (part.of.labels == lonely[0]).sum() > 1 else ""
        remedy = "set data.val_fraction=0" if key == "val_fraction" else "give the set a test part"
        raise DataError(
            f"class '{classes[lonely[0]]}' has 1 {noun}{left}{more}: data.{key}={fraction} needs 2 "
            f"of each class, to hold one out; add {noun}s, leave the class out, or {remedy}"
        )
    present = sum(size > 0 for size in sizes)
    if min(count, len(labels) - count) < present:
        raise DataError(
            f"data.{key}={fraction}: no stratified split of {len(labels)} {noun}s into "
            f"{len(labels) - count} and {count}, fewer than the {present} classes; "
            f"set another data.{key}"
        )
    from sklearn.model_selection import train_test_split  # 1 s, and only where needed

    halves = train_test_split(
        np.arange(len(labels)), test_size=count, random_state=protocol.split_seed, stratify=labels
    )
    origin = f"data.{key}={fraction} of {len(labels)} training {noun}s"
    return _parted(part, map(np.sort, halves), origin)


def _deal(
    part: Part[Samples], folds: int, protocol: Protocol
) -> tuple[Part[Samples], Part[Samples]]:
    """Deal a part into folds, stratified by class; return the others together, and the chosen."""
    groups = part.groups
    dealt = deal(part.labels.numpy(), folds, protocol.fold, protocol.split_seed, groups)
    whole = ", in whole groups" if groups else ""
    origin = f"data.fold={protocol.fold} of {folds}{whole}, of {len(part)} {protocol.noun}s"
    return _parted(part, dealt, origin)


def _parted(
    part: Part[Samples], halves: Iterable[Indices], origin: str
) -> tuple[Part[Samples], Part[Samples]]:
    """Return both halves of a part; the second is of that origin."""
    stay, go = (replace(part, rows=part.rows[torch.from_numpy(rows)]) for rows in halves)
    return stay, replace(go, origin=origin)


def _check_classes(classes: Sequence[str], parts: Mapping[str, Part[Labelled]]) -> None:
    seen = {name: set(part.labels.unique().tolist()) for name, part in parts.items()}
    for name, labels in seen.items():
        if unseen := sorted(labels - seen["train"]):
            names = ", ".join(f"'{classes[label]}'" for label in unseen)
            raise DataError(f"class {names} occurs in the {name} part and never in training")
