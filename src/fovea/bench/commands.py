"""Whole commands timed: a process's first step, the command line's answers, a sweep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_FOVEA = [sys.executable, "-m", "fovea"]
_ONE_STEP = ["data=digits", "model=lenet5", "model.variant=modern", "optimizer=sgd", "epochs=1"]
_SHORT = ["data=digits", "model=mlp", "epochs=2"]
_ANSWERS = {
    "help": ["--help"],
    "typo": ["train", "optimizer.lrr=1"],
}


def measure_startup(*, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time from the start of a process to the end of its first optimizer step, in turns.

    Returns:
        Seconds of every round: fovea, and a script of torch alone (``fovea.bench.bare``).
    """
    seconds: dict[str, list[float]] = {"bare torch": [], "fovea": []}
    for number in range(1 + rounds):  # the first fills the disk's cache
        progress(f"start-up: round {number} of {rounds}")
        with tempfile.TemporaryDirectory() as folder:
            bare = float(_output([sys.executable, "-m", "fovea.bench.bare"], folder))
            _output([*_FOVEA, "train", *_ONE_STEP, "trainer.limit_batches=2"], folder)
            (summary,) = Path(folder).glob("runs/*/summary.json")
            first_step = json.loads(summary.read_text(encoding="utf-8"))["startup_seconds"]
        if number:
            seconds["bare torch"].append(bare)
            seconds["fovea"].append(first_step)
    return {"rounds": rounds, "seconds": seconds}


def measure_answers(*, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time what a user waits for at the prompt: help, the refusal of a typo, a completion.

    Returns:
        Seconds of every round.
    """
    complete = {"_ARGCOMPLETE": "1", "COMP_LINE": "fovea train mod", "COMP_POINT": "15"}
    seconds: dict[str, list[float]] = {name: [] for name in (*_ANSWERS, "completion")}
    for number in range(1 + rounds):
        progress(f"answers: round {number} of {rounds}")
        for name, taken in seconds.items():
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                arguments = _ANSWERS.get(name, [])
                environment = {} if name in _ANSWERS else complete
                _output([*_FOVEA, *arguments], folder, environment, check=False)
            if number:
                taken.append(time.perf_counter() - started)
    return {"rounds": rounds, "seconds": seconds}


def measure_sweep(*, runs: int, workers: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time a sweep of short runs in workers, and the same runs in a fresh process each.

    Returns:
        Seconds of both.
    """
    with tempfile.TemporaryDirectory() as folder:
        progress(f"sweep: {runs} runs in {workers} workers")
        started = time.perf_counter()
        seeds = ",".join(map(str, range(runs)))
        launcher = ["launcher=workers", f"launcher.workers={workers}"]
        _output([*_FOVEA, "train", *_SHORT, f"seed={seeds}", *launcher], folder)
        together = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        for seed in range(runs):
            progress(f"sweep: run {seed + 1} of {runs} in a process of its own")
            _output([*_FOVEA, "train", *_SHORT, f"seed={seed}"], folder)
        one_by_one = time.perf_counter() - started
    seconds = {"workers": together, "fresh processes": one_by_one}
    return {"runs": runs, "workers": workers, "seconds": seconds}


def _output(
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str] | None = None,
    *,
    check: bool = True,
) -> str:
    """Run a command whose records go to ``folder``.

    Raises:
        RuntimeError: it failed; the message is what it printed.
    """
    done = subprocess.run(
        command,
        env=os.environ | {"FOVEA_OUTPUTS": folder} | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout
