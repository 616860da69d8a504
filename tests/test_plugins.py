"""Sweeps in worker processes, through the real command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from fovea.records import RunFolder, all_runs

SMALL = ("model.hidden_sizes=[32]", "trainer.accelerator=cpu", "trainer.progress_bar=on")
TWO = ("launcher=workers", "launcher.workers=2")


def command(outputs: Path, *overrides: str) -> list[str]:
    return [sys.executable, "-m", "fovea", "train", f"outputs={outputs}", *SMALL, *overrides]


@dataclass(frozen=True)
class Sweep:
    """What a sweep printed and left behind."""

    told: subprocess.CompletedProcess[str]
    runs: dict[str, RunFolder]


def sweep(outputs: Path, *overrides: str) -> Sweep:
    line = command(outputs, "epochs=2", "trainer.limit_batches=3", *overrides)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _path(outputs)}
    told = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=240, env=environment
    )
    return Sweep(told, {run.id: run for run in all_runs(outputs)})


def _path(*folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), *sys.path])


@pytest.fixture(scope="module")
def in_workers(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Three runs and one that cannot be trained, in two workers."""
    return sweep(tmp_path_factory.mktemp("workers"), "batch_size=2000,64,32,16", *TWO)


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The same in one process."""
    return sweep(tmp_path_factory.mktemp("inline"), "batch_size=2000,64,32,16", "launcher=inline")


def test_the_numbers_are_those_of_one_process(in_workers: Sweep, inline: Sweep) -> None:
    assert in_workers.runs.keys() == inline.runs.keys()
    assert len(inline.runs) == 3
    for run, other in ((run, inline.runs[name]) for name, run in in_workers.runs.items()):
        assert run.status == other.status
        assert run.metrics == other.metrics
        if run.status == "finished":
            assert run.predictions.read_bytes() == other.predictions.read_bytes()
        timed = ("seconds", "samples_per_second")
        for row, same in zip(run.history(), other.history(), strict=True):
            assert {key: row[key] for key in row if key not in timed} == {
                key: same[key] for key in same if key not in timed
            }


def test_each_run_has_its_line_and_the_table_follows(in_workers: Sweep) -> None:
    first, *lines = in_workers.told.stdout.splitlines()
    finished = {run.id for run in in_workers.runs.values() if run.status == "finished"}
    assert first == "4 runs in 2 workers, CPU threads: 1"
    assert {line.split()[0] for line in lines[:3]} == finished
    assert all(line.endswith(" s") for line in lines[:3])
    assert "batch_size=2000           not run" in in_workers.told.stdout


def test_a_mistake_is_told_as_in_one_process(in_workers: Sweep, inline: Sweep) -> None:
    assert (in_workers.told.returncode, inline.told.returncode) == (2, 2)
    for told in (in_workers.told.stderr, inline.told.stderr):
        assert told.count("fovea: 1293 training images are fewer than batch_size=2000") == 1
        assert told.splitlines()[-1] == "fovea: 1 of 4 runs failed"
    assert "Epoch 1" in inline.told.stdout
    assert "Epoch 0" not in inline.told.stdout
    assert "Epoch" not in in_workers.told.stdout + in_workers.told.stderr


def test_a_run_records_its_threads_and_its_wandb_run(in_workers: Sweep, inline: Sweep) -> None:
    for run in in_workers.runs.values():
        assert len(list(run.path.glob(f"wandb/offline-run-*/run-{run.id}.wandb"))) == 1
        if run.status == "finished":
            environment = run.read("environment.json")
            assert (environment["threads"], environment["workers"]) == (1, 2)
            other = inline.runs[run.id].read("environment.json")
            assert (other["threads"], other["workers"]) == (1, 1)


def test_a_worker_that_is_killed_fails_its_run_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, signal\nfrom torch import nn\nclass Deadly(nn.Module):\n"
        "    def __init__(self, **_): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("FOVEA_TRUST", "deadly")
    models = "model._target_=deadly.Deadly,fovea.models.mlp.MLP"
    one = ("launcher=workers", "launcher.workers=1", "launcher.threads=1")
    done = sweep(tmp_path, models, "tracking=csv", *one)
    assert done.told.returncode == 1
    by_status = {run.status: run for run in done.runs.values()}
    assert by_status.keys() == {"failed", "finished"}
    reason = "worker died: killed by signal 9 (out of memory?)"
    assert by_status["failed"].summary["error"] == reason
    assert reason[:31] in done.told.stderr  # the table breaks the line


def test_ctrl_c_interrupts_every_run_and_leaves_no_process(tmp_path: Path) -> None:
    line = command(tmp_path, "seed=0,1,2", "epochs=100000", "launcher.threads=1", *TWO)
    started = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("runs/*/history.csv"))) < 2:
        assert time.monotonic() < deadline
        assert started.poll() is None
        time.sleep(0.1)
    family = psutil.Process(started.pid).children(recursive=True)
    assert len(family) >= 3
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130
    said = {line for line in told.splitlines() if line[:4] not in ("trai", "val ", "test")}
    assert said == {"fovea: interrupted; the same command goes on from here"}
    assert [run.status for run in all_runs(tmp_path)] == ["interrupted"] * 2
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
