"""The allocator keeps what is freed."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from fovea.training.allocator import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_that_was_freed_is_used_again_without_faults() -> None:
    assert keep_freed_memory()
    pages = 0
    for first in (True, False, False):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        values = torch.ones(16 * 2**20)  # 64 MiB, above what is ever kept without it
        del values
        if not first:
            pages += resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert pages < 100  # of 32,768
