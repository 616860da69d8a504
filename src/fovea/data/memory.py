"""How much memory the pixels of a data set may take."""

from __future__ import annotations

from typing import Literal

import psutil
import torch

GIB = 2**30


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
