"""What a run sets for its whole process is put back when it ends: a worker trains many."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_VARIABLES = (  # that Lightning sets
    "CUBLAS_WORKSPACE_CONFIG",
    "MASTER_ADDR",
    "MASTER_PORT",
    "PL_GLOBAL_SEED",
    "PL_SEED_WORKERS",
)


@contextmanager
def process_restored() -> Iterator[None]:
    """Within it threads, kernels, variables and hooks of the process are a run's.

    Lightning puts its signal handlers back itself. W&B wraps ``sys.exit`` and ``sys.excepthook`` in
    every run.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    hooks = sys.exit, sys.excepthook
    variables = {name: os.environ.get(name) for name in _VARIABLES}
    try:
        yield
    finally:
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
