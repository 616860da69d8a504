"""The machine as this process may use it: cores, GPUs, and who else trains beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from math import ceil
from pathlib import Path

WORKERS = "FOVEA_WORKERS"


def available_cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: by its affinity, and by the quota of its cgroup.

    Args:
        root: of the file system that says what the quota is.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [quota for folder in _cgroups(root) if (quota := _quota(folder))]
    return max(1, min([cores, *map(ceil, quotas)]))


def _cgroups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's cgroups, of version 1 or 2, and of those around them.

    In a container the path may be the host's; what there is of it here is looked at.
    """
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        inner = Path(path.lstrip("/"))
        for folder in [inner, *inner.parents]:
            yield mounted / (controllers or ".") / folder


def _quota(folder: Path) -> float | None:
    """Return how many cores a cgroup may use; ``None``: no limit."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = (_text(folder / f"cpu.cfs_{each}_us") for each in ("quota", "period"))
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return cores if cores > 0 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


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
