"""Worker processes that are kept alive, with tasks that import nothing."""

from __future__ import annotations

import _thread
import atexit
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import ClassVar

import pytest

from fovea.sweep.workers import NotDoneError, WorkerDiedError, run_in_workers

TWO = [{"OMP_NUM_THREADS": "3"}, {"OMP_NUM_THREADS": "3"}]


class TwoArgumentsError(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, key: str, value: int) -> None:
        super().__init__(f"{key}={value}")


def describe(task: int) -> tuple[int, int, str]:
    for part in ("a", "b"):
        print(task, part)
        time.sleep(0.05)
    return task, os.getpid(), os.environ["OMP_NUM_THREADS"]


def fail_or_die(task: str) -> int:
    if task == "raise":
        raise ValueError("no such thing")
    if task == "raise two":
        raise TwoArgumentsError("lr", 3)
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "exit":
        os._exit(3)
    return os.getpid()


def sleep_until_interrupted(files: tuple[str, str]) -> None:
    started, interrupted = map(Path, files)
    started.touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        interrupted.touch()
        raise


def fail_or_sleep(task: tuple[str, tuple[str, str]]) -> None:
    """Sleep, or fail once the other sleeps."""
    kind, files = task
    if kind == "sleep":
        sleep_until_interrupted(files)
    wait_for(Path(files[0]))
    raise ValueError("no such thing")


def wait_for(*files: Path) -> None:
    deadline = time.monotonic() + 30
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tell_at_exit_what_is_frozen(file: Path) -> None:
    atexit.register(lambda: file.write_text(str(gc.get_freeze_count())))


def test_nothing_is_frozen_when_a_worker_ends(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]  # the packages are frozen after the first task
    run_in_workers(tell_at_exit_what_is_frozen, files, TWO[:1])
    assert [file.read_text() for file in files] == ["0", "0"]


def test_an_outcome_may_stop_the_others(tmp_path: Path) -> None:
    files = str(tmp_path / "started"), str(tmp_path / "interrupted")
    outcomes = run_in_workers(
        fail_or_sleep,
        [("sleep", files), ("fail", files), ("fail", files)],
        TWO,
        lambda outcome: isinstance(outcome, ValueError),
    )
    assert [type(outcome) for outcome in outcomes] == [NotDoneError, ValueError, NotDoneError]
    assert (tmp_path / "interrupted").exists()


def test_workers_are_kept_alive(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = run_in_workers(describe, range(6), TWO)
    told = [each for each in outcomes if isinstance(each, tuple)]
    assert [task for task, _, _ in told] == list(range(6))
    assert len({pid for _, pid, _ in told}) == 2
    assert os.getpid() not in {pid for _, pid, _ in told}
    assert {threads for _, _, threads in told} == {"3"}
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines[::2]) == [f"{task} a" for task in range(6)]
    assert lines[1::2] == [line.replace("a", "b") for line in lines[::2]]


def die_once(folder: str) -> list[int]:
    """Kill this process the first time, then return the processes that have run this."""
    (Path(folder) / str(os.getpid())).touch()
    started = [int(file.name) for file in Path(folder).iterdir()]
    if len(started) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return started


class Cycle:
    """An object that only a garbage collection frees."""

    made: ClassVar[list[weakref.ref[Cycle]]] = []

    def __init__(self) -> None:
        self.itself = self
        self.made.append(weakref.ref(self))


def leave_a_cycle(_: int) -> int:
    """Return how many cycles of earlier tasks are in memory, and leave one."""
    left = sum(each() is not None for each in Cycle.made)
    Cycle()
    return left


def test_a_task_that_fails_or_kills_its_worker_twice_fails_alone() -> None:
    tasks = ["live", "raise", "raise two", "die", "live", "exit", "live"]
    first, *failed, after, exited, last = run_in_workers(fail_or_die, tasks, [{}])
    assert len({first, after, last}) == 3  # each after a death in a fresh worker
    assert [f"{type(each).__name__}: {each}" for each in (*failed, exited)] == [
        "ValueError: no such thing",
        "RuntimeError: TwoArgumentsError: lr=3",
        "WorkerDiedError: worker died: killed by signal 9 (out of memory?)",
        "WorkerDiedError: worker died: exit code 3",
    ]
    assert isinstance(exited, WorkerDiedError)


def test_a_task_whose_worker_was_killed_is_run_once_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (processes,) = run_in_workers(die_once, [str(tmp_path)], [{}])
    assert isinstance(processes, list)
    assert len(set(processes)) == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "worker died: killed by signal 9 (out of memory?); its run is resumed by a new worker"
    ]


def test_what_a_task_leaves_in_memory_is_gone_when_the_next_one_starts() -> None:
    assert run_in_workers(leave_a_cycle, range(3), [{}]) == [0, 0, 0]


def test_an_interrupt_is_one_in_every_worker(tmp_path: Path) -> None:
    started = [tmp_path / f"started {index}" for index in range(2)]
    interrupted = [tmp_path / f"interrupted {index}" for index in range(2)]

    def interrupt() -> None:
        wait_for(*started)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    tasks = [(str(begun), str(ended)) for begun, ended in zip(started, interrupted, strict=True)]
    with pytest.raises(KeyboardInterrupt):
        run_in_workers(sleep_until_interrupted, [*tasks, *tasks], TWO)
    assert all(file.exists() for file in interrupted)


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    started, interrupted = tmp_path / "started", tmp_path / "interrupted"
    script = (
        "from test_workers import run_in_workers, sleep_until_interrupted\n"
        f"run_in_workers(sleep_until_interrupted, [{(str(started), str(interrupted))}], [{{}}])"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parent)
    wait_for(started)
    parent.kill()
    parent.wait()
    wait_for(interrupted)
