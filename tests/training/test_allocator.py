"""The allocator keeps what is freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Faults of twenty steps that free and allocate the same tensors, before and after.
PROGRAM = """
import resource
import torch
from fovea.training.allocator import keep_freed_memory

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_that_was_freed_is_used_again_without_faults() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    given_back, kept = map(int, told.stdout.split())
    assert kept < given_back / 5
