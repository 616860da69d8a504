"""The C library's allocator, told to keep what is freed."""

from __future__ import annotations

import ctypes
import platform

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
