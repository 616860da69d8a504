"""The machine as this process may use it: cores, GPUs, and who else trains beside it."""

from __future__ import annotations

import os
import shutil
import subprocess

WORKERS = "FOVEA_WORKERS"


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side() -> int:
    """Return how many workers train beside each other, as the launcher tells each of them."""
    told = os.environ.get(WORKERS, "")
    return int(told) if told.isdecimal() else 1


def visible_gpus() -> list[str]:
    """Return what ``CUDA_VISIBLE_DEVICES`` calls each GPU this process may use, without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for each in visible.split(",") if (gpu := each.strip()) not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    gpus = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(gpus))]
