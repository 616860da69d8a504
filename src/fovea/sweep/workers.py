"""Tasks side by side in worker processes that are kept alive: what they import is paid for once."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from fovea.config.printing import say

Given = TypeVar("Given")
Made = TypeVar("Made")

_SPAWN = multiprocessing.get_context("spawn")  # forks hang once threads or CUDA have been used
_GRACE = 60.0  # seconds in which an interrupted task may leave its record


class WorkerDiedError(Exception):
    """A worker process ended before its task did; the message says how."""


class NotDoneError(Exception):
    """A task was not started, or interrupted, because another one failed."""


def run_in_workers(
    function: Callable[[Given], Made],
    tasks: Sequence[Given],
    environments: Sequence[Mapping[str, str]],
    stop_at: Callable[[Made | Exception], bool] = lambda _: False,
) -> list[Made | Exception]:
    """Run tasks in worker processes, as many at a time as there are environments.

    A worker takes one task after another. What a task prints is printed here when it ends. A task
    whose worker dies is run once more, after those that wait; it fails when that worker dies too.
    An interrupt here (Ctrl-C) is a ``KeyboardInterrupt`` in each worker; none outlives this call.

    Args:
        function: runs one task; it, the tasks and the results must be picklable.
        tasks: taken in this order.
        environments: the environment variables of each worker, set before ``function`` is called.
        stop_at: an outcome after which the other tasks are interrupted, and no more are started.

    Returns:
        What came of each task: its result, or the exception that ended it or its worker;
        :class:`NotDoneError` where ``stop_at`` stopped it.
    """
    waiting = deque(enumerate(tasks))
    outcomes: dict[int, Made | Exception] = {}
    repeated: set[int] = set()
    workers: list[_Worker] = []
    try:
        workers.extend(_Worker(function, each) for each in environments)
        while len(outcomes) < len(tasks):
            for worker in workers:
                if worker.task is None and waiting:
                    worker.give(*waiting.popleft())
            for worker in _ready(workers):
                index, outcome = worker.take()
                if isinstance(outcome, WorkerDiedError) and index not in repeated:
                    say(f"{outcome}; its run is resumed by a new worker", stderr=True)
                    repeated.add(index)
                    waiting.append((index, tasks[index]))  # last: fewer runs share the memory then
                    continue
                outcomes[index] = outcome
            if any(map(stop_at, outcomes.values())):
                for worker in workers:
                    worker.interrupt()
                break
    except BaseException:
        for worker in workers:
            worker.interrupt()
        raise
    finally:
        _end(workers)
    return [outcomes.get(index, NotDoneError()) for index in range(len(tasks))]


class _Worker:
    """A process, started again when it has died."""

    def __init__(self, function: Callable[..., Any], environment: Mapping[str, str]) -> None:
        self.task: int | None = None
        self._target = function, dict(environment)
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_work, args=(*self._target, theirs))
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for all:
        self.process.start()  # the worker inherits that it is deaf to it, and is told by us
        signal.signal(signal.SIGINT, before)
        theirs.close()

    def give(self, index: int, task: object) -> None:
        if not self.process.is_alive():
            self._start()
        self.task = index
        with contextlib.suppress(OSError):  # it died this moment: take() will tell
            self.pipe.send(task)

    def take(self) -> tuple[int, Any]:
        """Return the index of the task and what came of it, and print what it printed."""
        assert self.task is not None
        index, self.task = self.task, None
        try:
            if not self.pipe.poll():  # it is dead, but a child of its own holds the pipe
                raise EOFError
            printed, outcome = self.pipe.recv()
        except (EOFError, OSError):
            _end([self])
            return index, WorkerDiedError(f"worker died: {_cause(self.process.exitcode)}")
        if printed:
            say(printed.removesuffix("\n"))
        return index, outcome

    def interrupt(self) -> None:
        self.process.terminate()


def _ready(workers: Iterable[_Worker]) -> list[_Worker]:
    """Return the busy workers that have a result or are dead; there may be none yet."""
    busy = [worker for worker in workers if worker.task is not None]
    ready = wait([worker.pipe for worker in busy], timeout=1)
    return [worker for worker in busy if worker.pipe in ready or not worker.process.is_alive()]


def _end(workers: Sequence[_Worker]) -> None:
    """Let workers end; kill those that do not, or all at a second Ctrl-C."""
    deadline = time.monotonic() + _GRACE
    try:
        for worker in workers:
            worker.pipe.close()
        for worker in workers:
            worker.process.join(max(0, deadline - time.monotonic()))
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()


def _cause(exit_code: int | None) -> str:
    code = exit_code or 0
    number = -code if code < 0 else code - 128
    if number <= 0:
        return f"exit code {code}"
    return f"killed by signal {number}{' (out of memory?)' if number == signal.SIGKILL else ''}"


def _work(function: Callable[[Any], Any], environment: dict[str, str], pipe: Connection) -> None:
    """What a worker does until its pipe is closed."""
    os.environ.update(environment)
    signal.signal(signal.SIGTERM, _interrupt_once)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            task = pipe.recv()
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                outcome = _outcome(function, task)
            pipe.send((printed.getvalue(), outcome))
            del task, outcome
            free_memory()
    except (EOFError, BrokenPipeError):  # nobody waits for more
        return
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    finally:
        gc.unfreeze()  # else extension modules tell of objects that are never freed


def _outcome(function: Callable[[Any], Any], task: object) -> Any:
    try:
        return function(task)
    except Exception as error:
        return portable(error)


def free_memory() -> None:
    """Free what a task left behind, so that a process that runs many does not grow.

    Trainer, callbacks, network and data refer to each other. Python seldom looks for such cycles
    where there are few objects, however large, beside the million of the imported packages. The
    freed pages go back to the system: the next task may be a smaller one. After the first task the
    packages are frozen, so that they are not looked through after each.
    """
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc's
        trim(0)


def portable(error: Exception) -> Exception:
    """Return the exception if another process can read it, else one that tells the same."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


def _interrupt_once(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt("SIGTERM")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
