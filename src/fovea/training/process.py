"""What a run sets for its whole process, and puts back when it ends: a worker trains many."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

_VARIABLES = (  # that Lightning sets
    "CUBLAS_WORKSPACE_CONFIG",
    "MASTER_ADDR",
    "MASTER_PORT",
    "PL_GLOBAL_SEED",
    "PL_SEED_WORKERS",
)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = 2**31 - 1


@contextmanager
def process_of_run(config: Mapping[str, Any]) -> Iterator[None]:
    """Within it allocator, denormals, threads, kernels, variables and hooks are a run's.

    All but the allocator is put back. Lightning puts its signal handlers back itself. W&B wraps
    ``sys.exit`` and ``sys.excepthook`` in every run.

    Args:
        config: of the run.
    """
    denormals = sys.float_info.min / 2 > 0
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    hooks = sys.exit, sys.excepthook
    variables = {name: os.environ.get(name) for name in _VARIABLES}
    try:
        prepare_process(config["trainer"].get("threads"))
        yield
    finally:
        torch.set_flush_denormal(not denormals)
        torch.set_num_threads(threads)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = benchmark
        sys.exit, sys.excepthook = hooks
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def prepare_process(threads: int | None = None) -> None:
    """Set what a process trains fast with, before its first operation that uses several threads.

    Numbers below float32's normal range (1.2e-38) are taken for zero, in this thread and in those
    that it starts from here on. The square of a small gradient is one, and the running averages of
    RMSprop and Adam fill with them where units are dead; their square roots are slow.

    Args:
        threads: of torch; ``None`` leaves them as they are.
    """
    _keep_freed_memory()
    torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)


def _keep_freed_memory() -> None:
    """Let glibc reuse the memory of freed tensors instead of giving it back to the system.

    Every step frees and allocates the same tensors. Given back, each comes as zeroed pages, one
    fault a page, made by one thread while the others wait. See mallopt(3); torch's tuning guide
    sets the same by environment variables.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST)
