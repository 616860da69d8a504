"""Turns: programs in processes of their own that train one after another, a few steps at a time.

Each program iterates over its own loader, wrapped in :class:`Turns`, which holds it back until the
bench gives it a turn, and takes the time of the turn's steps. So every program is measured the same
way, whoever owns its loop, and what the machine does meanwhile falls on all of them alike.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from fovea.data.base import EpochLoader
from fovea.training.tracking.environment import peak_memory_mib

_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Turn:
    """What one turn measured.

    Args:
        seconds: of the timed steps.
        images: in the timed steps.
        threads: of torch, in the program's process.
        peak_memory_mib: of the process (or the GPU), so far.
        first_step_seconds: of the program's very first step, in which a compiled one compiles.
        epoch_ends: seconds from the start of an epoch's last step to the next epoch's first, of the
            epochs that ended since the turn before.
    """

    seconds: float
    images: int
    threads: int
    peak_memory_mib: float
    first_step_seconds: float = 0.0
    epoch_ends: tuple[float, ...] = ()


class Turns:
    """Wraps a program's training loader.

    Args:
        channel: where the bench says go, and the turns are told.
        warmup: steps of a turn before the clock starts.
        steps: timed steps of a turn.
        limit: batches of an epoch at most.
    """

    def __init__(
        self, channel: Connection, warmup: int, steps: int, limit: int | None = None
    ) -> None:
        self._channel = channel
        self._warmup = warmup
        self._steps = steps
        self._limit = limit
        self._position = 0  # within the turn
        self._images = 0
        self._started = 0.0
        self._first_started: float | None = None
        self._first_step_seconds: float | None = None
        self._left: float | None = None  # when the last step of an epoch was begun
        self._epoch_ends: list[float] = []
        self._loader: Iterable[Any] = ()

    def of(self, loader: Iterable[Any]) -> Turns:
        """Serve this loader's batches from now on."""
        self._loader = loader
        return self

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the loader, where it is fovea's."""
        if isinstance(self._loader, EpochLoader):
            self._loader.set_epoch(epoch, start)

    def __len__(self) -> int:
        size = len(self._loader)  # pyright: ignore[reportArgumentType]
        return size if self._limit is None else min(size, self._limit)

    def __iter__(self) -> Iterator[Any]:
        for left, batch in zip(reversed(range(len(self))), self._loader, strict=False):
            if self._left is not None:
                self._epoch_ends.append(_now() - self._left)
                self._left = None
            self._before(batch)
            if not left:  # Lightning asks for no more
                self._left = _now()
            yield batch

    def _before(self, batch: Any) -> None:
        """Note the step that is about to be taken with ``batch``."""
        if self._first_started is not None and self._first_step_seconds is None:
            self._first_step_seconds = _now() - self._first_started
        if self._position == self._warmup + self._steps:
            self._channel.send(
                Turn(
                    seconds=_now() - self._started,
                    images=self._images,
                    threads=torch.get_num_threads(),
                    peak_memory_mib=peak_memory_mib(),
                    first_step_seconds=self._first_step_seconds or 0.0,
                    epoch_ends=tuple(self._epoch_ends),
                )
            )
            self._epoch_ends.clear()
            self._position = 0
        if self._position == 0:
            self._channel.recv()
        if self._position == self._warmup:
            self._images = 0
            self._started = _now()
        if self._first_started is None:
            self._first_started = _now()
        self._position += 1
        self._images += len(batch[-1])


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Program:
    """A program in a process of its own.

    Args:
        train: called with ``arguments`` and a :class:`Turns`; trains for ever.
        warmup, steps, limit: see :class:`Turns`.
        threads: of torch.
        log: where its output goes.

    Raises:
        RuntimeError: (from :meth:`turn`) the program failed; the message ends with its traceback.
    """

    def __init__(
        self,
        train: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        warmup: int,
        steps: int,
        limit: int | None = None,
        threads: int,
        log: Path,
    ) -> None:
        context = get_context("spawn")
        self._channel, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(train, arguments, theirs, (warmup, steps, limit), threads, log)
        )
        self._process.start()
        theirs.close()

    def turn(self) -> Turn:
        """Let the program make the steps of one turn."""
        with suppress(BrokenPipeError):
            self._channel.send("go")
        try:
            told = self._channel.recv()
        except EOFError:
            told = "the process ended without a word"
        if isinstance(told, str):
            raise RuntimeError(told)
        return told

    def stop(self) -> None:
        """End the process: it gets no more turns, and is killed if that does not end it."""
        self._channel.close()
        self._process.join(_GRACE_SECONDS)
        self._process.kill()
        self._process.join()


def _run(
    train: Callable[..., None],
    arguments: tuple[Any, ...],
    channel: Connection,
    lengths: tuple[int, int, int | None],
    threads: int,
    log: Path,
) -> None:
    with log.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    torch.set_num_threads(threads)
    try:
        train(*arguments, Turns(channel, *lengths))
    except BaseException:
        with suppress(OSError):  # the bench has had enough of it
            channel.send(traceback.format_exc())
