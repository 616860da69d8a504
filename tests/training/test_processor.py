"""The allocator keeps what is freed, and every thread takes denormal numbers for zero."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

# Faults of twenty steps that free and allocate the same tensors, before and after.
FAULTS = """
import resource
import torch
from fovea.training.processor import keep_freed_memory

torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for step in range(20):
        maps = [torch.ones(size * 2**18) for size in (40, 20, 20, 10, 10)]  # 100 MiB
        del maps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
assert keep_freed_memory()
faults()
print(given_back, faults())
"""

# One denormal before a run is assembled, in one thread; after it, enough to keep two threads busy.
DENORMALS = """
import torch
from fovea.config.compose import compose_run
from fovea.training.assemble import assemble

def denormals(count):
    return (torch.full((count,), 1e-30) * 1e-10).count_nonzero().item()

torch.set_num_threads(2)
before = denormals(1)
assemble(compose_run([]))
print(before, denormals(2**20))
"""


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
    assert told.stdout.split() == ["1", "0"]
