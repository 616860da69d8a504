"""How much memory the pixels of a data set may take."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Literal

import psutil
import torch

from fovea.config.hardware import side_by_side

log = logging.getLogger(__name__)

GIB = 2**30
_SHARED = Path("/dev/shm")  # where Linux has it
_SEVERAL = 4  # loaders of a run, and as much again for others


def allowance(limit: float | Literal["auto"], device: torch.device) -> int:
    """Return how many bytes of pixels a device may hold.

    Args:
        limit: in GiB; what is free now bounds it. ``auto`` is half of what is free now.
        device: a GPU, else the host's memory counts.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = psutil.virtual_memory().available
    return free // 2 if limit == "auto" else min(int(limit * GIB), free)


def is_shared_memory_enough(size: int) -> bool:
    """Whether worker processes may hand over so many bytes at a time in shared memory.

    A container has 64 MiB of it. Full, it makes torch wait without end.
    """
    if not _SHARED.is_dir():
        return True
    free = shutil.disk_usage(_SHARED).free
    needed = _SEVERAL * size * side_by_side()
    if needed > free:
        log.warning(
            "%s has %.0f MiB free, %.0f MiB wanted: decoded images go through pipes, more slowly",
            _SHARED,
            free / 2**20,
            needed / 2**20,
        )
    return needed <= free
