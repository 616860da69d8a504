"""What the C library and the processor are told before they train."""

from __future__ import annotations

import ctypes
import platform

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc reuse the memory of freed tensors instead of giving it back to the system.

    Every step frees and allocates the same tensors. Given back, each comes as zeroed pages, one
    fault a page, made by one thread while the others wait. See mallopt(3); torch's tuning guide
    sets the same by environment variables.

    Returns:
        Whether the allocator is glibc's and took it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST) and mallopt(_M_TRIM_THRESHOLD, _LARGEST))


def flush_denormals() -> bool:
    """Take numbers below float32's normal range (1.2e-38) for zero.

    The square of a small gradient is one, and the running averages of RMSprop and Adam fill with
    them where units are dead; their square roots are slow. Holds for this thread and those it
    starts, so that it belongs before the first tensor operation that uses several.

    Returns:
        Whether the processor can.
    """
    return torch.set_flush_denormal(True)
