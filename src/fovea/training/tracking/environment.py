"""Where and with what a run was trained."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

from fovea import __version__
from fovea.config.hardware import side_by_side

_PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "wandb",
    "numpy",
    "pillow",
)
_VECTORS = {  # classes by what /proc/cpuinfo, or macOS, calls them, the best first
    "amx_bf16": "amx",
    "avx512_bf16": "avx512_bf16",
    "avx512f": "avx512",
    "avx2": "avx2",
    "sve": "sve",
    "asimd": "neon",
    "arm64": "neon",
}
_SOURCE = Path(__file__).resolve().parents[4]


def environment(uncommitted: str) -> dict[str, Any]:
    """Return versions, code state, hardware, and this process's threads and fellow workers.

    Args:
        uncommitted: see :func:`uncommitted_diff`.
    """
    return {
        "fovea": __version__,
        "python": platform.python_version(),
        "packages": installed_versions(),
        "git": {"sha": _git("rev-parse", "HEAD"), "dirty": bool(uncommitted)},
        "hardware": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
        "threads": torch.get_num_threads(),
        "workers": side_by_side(),
    }


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that numbers hang on."""
    return {name: found for name in _PACKAGES if (found := _version(name))}


def uncommitted_diff() -> str:
    """Return the difference of the checkout's tracked files to its last commit; '' outside one.

    Bytes of theirs that are not UTF-8 are surrogates, as of ``surrogateescape``.
    """
    return _git("diff", "--no-ext-diff", "HEAD") or ""


def peak_memory_mib() -> float:
    """Return the most memory used since :func:`reset_peak_memory`, where the system can.

    It is that of the GPU where there is one, else that of the process.
    """
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def reset_peak_memory() -> None:
    """Forget what earlier runs of this process used (Linux, CUDA)."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5)


def process_seconds() -> float:
    """Return the seconds since this process was created."""
    stat = Path("/proc/self/stat")
    if not stat.is_file():
        return time.time() - psutil.Process().create_time()
    # psutil counts from the boot time, which Linux tells in whole seconds.
    ticks = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def has_fast_bfloat16(accelerator: str) -> bool:
    """Whether the hardware itself multiplies bfloat16 (AMX or AVX512-BF16; Ampere or later).

    Args:
        accelerator: Lightning's name of what trains: ``cpu``, ``cuda``, …
    """
    if accelerator == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return hardware_class(accelerator) in ("cpu amx", "cpu avx512_bf16")


def hardware_class(accelerator: str) -> str:
    """Return what of the hardware numbers hang on: ``cuda NAME``, ``mps``, ``cpu VECTORS``.

    Kernels for other vector instructions add in another order.

    Args:
        accelerator: as of :func:`has_fast_bfloat16`.
    """
    if accelerator == "cuda" and torch.cuda.is_available():
        return f"cuda {torch.cuda.get_device_name()}"
    if accelerator != "cpu":
        return accelerator
    flags = {platform.machine(), *_cpuinfo().split()}
    known = (name for flag, name in _VECTORS.items() if flag in flags)
    return f"cpu {next(known, torch.backends.cpu.get_cpu_capability().lower())}"


def processor() -> str:
    """Return the name of the processor."""
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _cpuinfo() -> str:
    """Return what Linux says of the processor; '' on other systems."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    if not (_SOURCE / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(_SOURCE), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=20,
            check=True,
            env={key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
