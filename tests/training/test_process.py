"""What a run sets for its process, and what is left of it afterwards."""

from __future__ import annotations

import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fovea.problems.classification.task import Classification
from fovea.records import RunFolder

# Faults of twenty steps that free and allocate the same tensors, before and after.
FAULTS = """
import resource
import torch
from fovea.training.process import prepare_process

torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for step in range(20):
        maps = [torch.ones(size * 2**18) for size in (40, 20, 20, 10, 10)]  # 100 MiB
        del maps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
prepare_process()
faults()
print(given_back, faults())
"""

# One denormal before a run, in one thread; within it, enough to keep two threads busy; one after.
DENORMALS = """
import torch
from fovea.config.compose import compose_run
from fovea.training.process import process_of_run

def denormals(count):
    return (torch.full((count,), 1e-30) * 1e-10).count_nonzero().item()

before = denormals(1)
with process_of_run(compose_run(["trainer.threads=2"])):
    within = denormals(2**20)
print(before, within, denormals(1))
"""


def denormals() -> bool:
    return sys.float_info.min / 2 > 0


def process() -> dict[str, object]:
    return {
        "denormals": denormals(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "type": torch.get_default_dtype(),
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.exit, sys.excepthook),
        "log": (logging.root.level, list(logging.root.handlers)),
        "libraries": logging.getLogger("pytorch_lightning").level,
        "variables": {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KMP_", "WANDB_", "PYTEST_"))  # set at an import, not by a run
        },
        "folder": Path.cwd(),
    }


SETTINGS = ("trainer.threads=2", "trainer.deterministic=true", "tracking=wandb")


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_leaves_its_process_as_it_was(
    fails: bool, trained: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    within: list[tuple[bool, int, bool, bool]] = []
    original = Classification.training_loss

    def observed(self: Classification, batch: Any) -> tuple[Tensor, int]:
        deterministic = torch.are_deterministic_algorithms_enabled()
        seeded = "PL_GLOBAL_SEED" in os.environ
        within.append((denormals(), torch.get_num_threads(), deterministic, seeded))
        if fails and len(within) == 2:
            raise ValueError("no loss")
        return original(self, batch)

    monkeypatch.setattr(Classification, "training_loss", observed)
    torch.set_flush_denormal(False)  # as tests before this one may not have left it
    before = process()
    if fails:
        with pytest.raises(ValueError, match="no loss"):
            trained(*SETTINGS)
    else:
        trained(*SETTINGS)
    after = process()
    flushes = torch.set_flush_denormal(False)  # not every processor can
    assert set(within) == {(not flushes, 2, True, True)}
    assert after == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_that_was_freed_is_used_again_without_faults() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    given_back, kept = map(int, told.stdout.split())
    assert kept < given_back / 5


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="the processor cannot flush them")
def test_a_run_takes_denormals_for_zero_in_every_thread() -> None:
    told = subprocess.run(
        [sys.executable, "-c", DENORMALS], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["1", "0", "1"]
