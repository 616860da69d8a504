"""Sweeps that are killed, doubled and starved end with the table of one that was left alone."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

from fovea.cli import main
from fovea.config import paths
from fovea.records import RunFolder, all_runs

import_module("fovea.training.train")  # what every forked process would import anew

KILLS = 20
RUNS = 4

SWEEP = """\
epochs: 8
batch_size: 16
trainer: {accelerator: cpu, precision: 32, limit_batches: 6, checkpoint_seconds: 0}
model: {hidden_sizes: [32], dropout: 0.2}
defaults: [override /schedule: cosine]
hydra: {sweeper: {params: {optimizer.lr: '1e-3,1e-2', seed: '0,1'}}}
"""
TRAIN = ("train", "experiment=survival", "tracking=csv")
TABLE = """\
title: Killed
rows: {key: optimizer.lr}
columns:
  - {metric: test/accuracy, label: test, format: percent}
  - {metric: train/loss, label: loss}
  - {metric: steps, label: steps, format: count}
"""


def experiment(working: Path, environment: pytest.MonkeyPatch) -> Path:
    """Go to a working folder with the experiment ``survival``; return its output root."""
    folder = working / "experiments" / "survival"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(SWEEP)
    (folder / "table.yaml").write_text(TABLE)
    environment.chdir(working)
    environment.setenv("FOVEA_OUTPUTS", str(working / "outputs"))
    return working / "outputs"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output root of an experiment of the test's own."""
    return experiment(tmp_path, monkeypatch)


def in_child(*arguments: str, before: Callable[[], None] = lambda: None) -> int:
    """Start ``fovea`` in a forked process, whose imports this one has paid for."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        code = 1
        try:
            before()
            main(arguments)
        except SystemExit as done:
            code = int(done.code or 0)
        finally:
            os._exit(code)
    with suppress(OSError):  # whoever of the two comes first
        os.setpgid(child, child)
    return child


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sweep(*overrides: str, before: Callable[[], None] = lambda: None) -> int:
    return exit_code(in_child(*TRAIN, "launcher=inline", *overrides, before=before))


def outcome(outputs: Path) -> dict[str, object]:
    """Return the table, and of each run what is not time."""

    def numbers(run: RunFolder) -> tuple[object, ...]:
        rows = [
            {
                key: value
                for key, value in row.items()
                if key not in ("seconds", "samples_per_second")
            }
            for row in run.history()
        ]
        return run.status, rows, run.predictions.read_bytes()

    table = (outputs / "tables" / "survival.md").read_text()
    return {"table": table, **{run.id: numbers(run) for run in all_runs(outputs)}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as elsewhere:
        outputs = experiment(tmp_path_factory.mktemp("undisturbed"), elsewhere)
        assert sweep() == 0
        return outcome(outputs)


def trainings(run: RunFolder) -> int:
    """Return how often the run's training was begun, by its log."""
    return len(re.findall(r"\d+ parameters", (run.path / "train.log").read_text()))


def test_a_sweep_killed_at_random_moments_ends_as_an_undisturbed_one(
    lab: Path, undisturbed: dict[str, object]
) -> None:
    moments = random.Random(5)
    killed = 0
    finished: set[str] = set()
    while killed < KILLS:
        child = in_child(*TRAIN, "launcher=inline")
        time.sleep(moments.uniform(0.05, 0.8))
        os.killpg(child, signal.SIGKILL)
        killed += exit_code(child) == -signal.SIGKILL
        done = {run.id for run in all_runs(lab) if run.status == "finished"}
        assert finished <= done  # a finished run is never lost
        finished = done
        if len(done) == RUNS:  # all over again
            assert sweep() == 0  # it may have been killed before it wrote the table
            assert outcome(lab) == undisturbed
            for run in all_runs(lab):
                (run.path / "summary.json").unlink()
                (run.path / "checkpoints" / "last.ckpt").unlink()
            finished = set()
    assert sweep() == 0
    assert outcome(lab) == undisturbed


def test_two_processes_share_a_sweep(lab: Path, undisturbed: dict[str, object]) -> None:
    children = [in_child(*TRAIN, "launcher=inline") for _ in range(2)]
    assert [exit_code(child) for child in children] == [0, 0]
    assert sweep() == 0
    assert outcome(lab) == undisturbed
    assert [trainings(run) for run in all_runs(lab)] == [1] * RUNS


def test_a_full_disk_costs_no_finished_run(lab: Path, undisturbed: dict[str, object]) -> None:
    assert sweep("seed=0") == 0
    finished = {run.id for run in all_runs(lab)}

    def full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    assert sweep(before=full_disk) == 1
    failed = [run for run in all_runs(lab) if run.id not in finished]
    assert [run.status for run in failed] == ["failed", "failed"]
    assert all("File too large" in run.summary["error"] for run in failed)
    assert all(run.status == "finished" for run in all_runs(lab) if run.id in finished)
    assert sweep() == 0
    assert outcome(lab) == undisturbed


def spoil_summary(run: RunFolder) -> None:
    (run.path / "summary.json").write_text('{"status": "finis')


def spoil_config(run: RunFolder) -> None:
    (run.path / "config.yaml").write_bytes(b"\x00")


def spoil_lock(run: RunFolder) -> None:
    (run.path.parent / ".locks" / run.id).write_bytes(b"\xff" * 100)


def spoil_checkpoint(run: RunFolder) -> None:
    summary = run.summary
    run.write("summary.json", summary | {"status": "interrupted"})
    file = run.checkpoints / "last.ckpt"
    file.write_bytes(file.read_bytes()[:5000])


def test_damaged_records_are_made_again(lab: Path, undisturbed: dict[str, object]) -> None:
    assert sweep() == 0
    damages = [(spoil_summary, 2), (spoil_config, 2), (spoil_lock, 1), (spoil_checkpoint, 2)]
    runs = all_runs(lab)
    for run, (spoil, _) in zip(runs, damages, strict=True):
        spoil(run)
    assert sweep() == 0
    assert outcome(lab) == undisturbed
    assert [trainings(run) for run in runs] == [times for _, times in damages]


def test_one_failing_run_stops_the_others_if_asked(lab: Path) -> None:
    assert sweep("optimizer.lr=1e-3", "model.hidden_sizes=[0],[32]") == 2  # refused at the plan
    own = "fovea.problems.classification.losses.CrossEntropy"
    broken = f"loss._target_=torch.nn.MSELoss,{own}"  # the first fails at its first step
    grid = ["~loss.label_smoothing", broken, "seed=0", "optimizer.lr=1,2"]
    assert sweep(*grid, "stop_on_failure=true") == 1
    assert [run.status for run in all_runs(lab)] == ["failed"]
    one_by_one = [*grid, "trainer.devices=1,2"]  # those of two devices after the others
    assert sweep(*one_by_one, "stop_on_failure=true") == 1
    assert [run.status for run in all_runs(lab)] == ["failed"]
    assert sweep(*grid) == 1
    assert sorted(str(run.status) for run in all_runs(lab)) == ["failed"] * 2 + ["finished"] * 2


@pytest.mark.parametrize("workers", [False, True])
def test_sigterm_leaves_runs_that_are_taken_up(
    lab: Path, undisturbed: dict[str, object], workers: bool
) -> None:
    several = ["launcher=workers", "launcher.workers=2", "launcher.threads=1"]
    line = [sys.executable, "-m", "fovea", *TRAIN]
    environment = os.environ | {"PYTHONPATH": str(paths.__file__).rpartition("/fovea/")[0]}
    started = subprocess.Popen(
        [*line, *(several if workers else ["launcher=inline"])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    while not list(lab.glob("runs/*/checkpoints/last.ckpt")):
        assert started.poll() is None
        time.sleep(0.01)
    started.terminate()
    _, told = started.communicate(timeout=120)
    assert started.returncode == 128 + signal.SIGTERM
    assert told.splitlines()[-1] == "fovea: interrupted; the same command goes on from here"
    begun = [run for run in all_runs(lab) if run.status != "finished"]
    assert begun
    assert {run.status for run in begun} == {"interrupted"}
    assert all("SIGTERM" in run.summary["error"] for run in begun)
    assert sweep() == 0
    assert outcome(lab) == undisturbed
