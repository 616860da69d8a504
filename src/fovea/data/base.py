"""What any data set offers: parts to train, validate and test on, and what is recorded of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor

from fovea.config.errors import DataError

PartName = Literal["train", "val", "test"]


@runtime_checkable
class Source(Protocol):
    """Reads one data set or one format, for data of one kind, which says what it reads."""

    def read(self, *args: Any, **kwargs: Any) -> Any: ...


@dataclass(frozen=True)
class Found:
    """What is printed and recorded of a data set before the first step.

    Args:
        notes: what it holds.
        deviations: from training, choosing on a validation part, and testing once.
        warnings: what is likely to spoil the numbers.
    """

    notes: Sequence[str] = ()
    deviations: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Inputs:
    """New samples, as a network is fed them.

    Args:
        names: what each is printed as: its file, for instance.
        tensors: the arguments of the network, ``(N, …)`` each, on the CPU.
        pictures: of the samples, ``(H, W, 1 or 3)``; none where they are not to be drawn.
    """

    names: Sequence[str]
    tensors: tuple[Tensor, ...]
    pictures: Sequence[NDArray[np.uint8]] = ()


@runtime_checkable
class EpochLoader(Protocol):
    """Batches of training whose order is a function of the epoch."""

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch that is served next; the task calls this before each.

        Args:
            epoch: from 0.
            start: the batch that it starts at, after an interruption; ``len`` stays that of the
                whole epoch.
        """
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Data(LightningDataModule, ABC):
    """A data set as Lightning serves it.

    A batch is whatever its loaders yield and its task reads; the core never looks into one. The
    core calls :meth:`serve` once, before :meth:`setup`, with what the network was built for.

    Attributes:
        offers: what an ``auto`` argument of a network may mean, and what a task is built with:
            ``num_classes``, ``classes`` … Known before :meth:`setup`.
    """

    @property
    @abstractmethod
    def offers(self) -> Mapping[str, Any]: ...

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 over the content, whatever its compression."""

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, int]:
        """Samples in each part: ``train``, ``test`` and, where there is one, ``val``."""

    @abstractmethod
    def loader(self, part: PartName, *, train: bool = False) -> Iterable[Any]:
        """Return the batches of a part, in order and as they are, or as training sees them.

        A loader that training uses should be an :class:`EpochLoader`, as
        :class:`~fovea.data.tensors.TensorLoader` is: of another one, an interrupted run is resumed
        at the start of an epoch, and the order of its samples is its own affair.
        """

    @property
    @abstractmethod
    def example(self) -> tuple[Tensor, ...]:
        """The inputs of the network for one sample, on the meta device: its cost is counted."""

    def serve(self, inputs: Mapping[str, Any]) -> None:
        """Learn what the network was built for.

        Args:
            inputs: of what is offered, what the network has an argument for.

        Raises:
            ConfigError: the data cannot be served like that.
        """

    def describe(self) -> dict[str, Any]:
        """Return what a record's ``data.json`` holds."""
        return {
            "fingerprint": self.fingerprint,
            "offers": dict(self.offers),
            "sizes": dict(self.sizes),
            "notes": [*self.found.notes, *self.found.deviations, *self.found.warnings],
            "skipped": list(self.skipped),
        }

    @classmethod
    def offers_of(cls, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was offered to a recorded run."""
        return described["offers"]

    @classmethod
    def read(cls, described: Mapping[str, Any], given: Sequence[str]) -> Iterator[Inputs]:
        """Yield new samples, prepared as those of a recorded run were, some at a time.

        Args:
            described: the record's ``data.json``.
            given: files and folders, as typed.

        Raises:
            DataError: there is no such file, or it cannot be read.
        """
        raise DataError(
            f"{cls.__name__} reads no new samples; fovea predict needs its method 'read'"
        )

    @classmethod
    def read_texts(cls, described: Mapping[str, Any], texts: Sequence[str]) -> Iterator[Inputs]:
        """Yield new samples that are typed, not in files; else as :meth:`read`.

        Raises:
            DataError: samples are no texts.
        """
        raise DataError(f"--text: {cls.__name__} reads no texts; name files")

    def state(self) -> tuple[str, tuple[str, ...]]:
        """Return the fingerprint and the names of the classes, if it has such; no part is made.

        Raises:
            DataError: the data is not here.
        """
        return self.fingerprint, tuple(self.offers.get("classes", ()))

    @property
    def skipped(self) -> Sequence[str]:
        """``sample: reason`` of every sample left out."""
        return ()

    @property
    def found(self) -> Found:
        return Found()

    @property
    def has_validation(self) -> bool:
        return "val" in self.sizes

    @property
    def validates_on_test(self) -> bool:
        """Whether the validation part is the test part: recorded as a deviation."""
        return False

    def samples(self, part: PartName) -> list[str] | None:
        """Return what names each sample of a part in any run: file or row, and a digest."""
        return None

    def pictures(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return samples of the test part as pictures ``(H, W, 1 or 3)``; none if it has none.

        Args:
            rows: places in the test part, from 0.
        """
        return []

    @abstractmethod
    def setup(self, stage: str | None = None) -> None:
        """Read the set and make its parts, once."""

    def train_dataloader(self) -> Iterable[Any]:
        return self.loader("train", train=True)

    def val_dataloader(self) -> Iterable[Any]:
        return self.loader("val") if self.has_validation else []

    def test_dataloader(self) -> Iterable[Any]:
        return self.loader("test")
