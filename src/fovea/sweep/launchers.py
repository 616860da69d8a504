"""Where the runs of a sweep are trained: the ``launcher`` config group."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import psutil

from fovea.config.errors import ConfigError
from fovea.config.hardware import WORKERS, available_cores, visible_gpus
from fovea.config.types import Processes

_MEMORY = 3 * 2**29  # bytes a run takes: what it imports, and a small data set


@runtime_checkable
class Launcher(Protocol):
    """Says which worker processes a sweep gets."""

    def environments(self, runs: int, trainer: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return the environment variables of each worker; none: runs are trained in this process.

        Args:
            runs: how many there are to train.
            trainer: their ``trainer`` config; its ``threads`` wins.
        """
        ...


@dataclass(frozen=True)
class Inline:
    """One run after another, in this process."""

    def environments(self, runs: int, trainer: Mapping[str, Any]) -> list[dict[str, str]]:
        return []


@dataclass(frozen=True)
class Workers:
    """Runs side by side in worker processes.

    A single run is trained in this process, and so are all runs where there would be one worker,
    unless its threads are set.

    Args:
        workers: processes, never more than runs; ``auto`` is one per GPU, else as many as the cores
            (by ``threads``) and the free memory allow.
        threads: CPU threads of each; ``auto`` is ``$OMP_NUM_THREADS``, else the cores shared out.
    """

    workers: Processes | Literal["auto"] = "auto"
    threads: Processes | Literal["auto"] = "auto"

    def environments(self, runs: int, trainer: Mapping[str, Any]) -> list[dict[str, str]]:
        if runs < 2:
            return []
        gpus = visible_gpus() if trainer["accelerator"] in ("auto", "gpu", "cuda") else []
        cores = available_cores()
        threads = trainer["threads"] or (_omp_threads() if self.threads == "auto" else self.threads)
        workers = self.workers
        if workers == "auto":
            fitting = min(cores // (threads or 1), psutil.virtual_memory().available // _MEMORY)
            workers = len(gpus) or max(1, fitting)
        workers = min(workers, runs)
        if workers == 1 and self.threads == "auto":
            return []
        count = str(threads or max(1, cores // workers))
        shared = {
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            WORKERS: str(workers),
        }
        one_gpu = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{}]
        return [shared | one_gpu[index % len(one_gpu)] for index in range(workers)]


def require_devices(trainer: Mapping[str, Any]) -> None:
    """Make sure that this machine has what a ``trainer`` config asks for, as far as is known.

    Raises:
        ConfigError: it has no GPU, or fewer devices.
    """
    kind, asked, gpus = trainer["accelerator"], trainer["devices"], len(visible_gpus())
    if kind in ("gpu", "cuda") and not gpus and not _other_gpus():
        raise ConfigError(
            f"trainer.accelerator={kind}: there is no GPU that this process may use; "
            "set trainer.accelerator=auto"
        )
    on_cpu = kind == "cpu" or (kind == "auto" and not gpus and not _other_gpus())
    there = max(2, available_cores()) if on_cpu else gpus
    if there and asked > there:
        what = "CPU cores" if on_cpu else "GPUs"
        raise ConfigError(f"trainer.devices={asked}: there are {there} {what} here; set fewer")


def _other_gpus() -> bool:
    """Whether there may be GPUs that only torch knows to count: AMD's, Apple's, Windows's."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") is not None
    drivers = (Path("/dev/kfd"), Path("/dev/dxg"))
    return not hidden and (sys.platform == "darwin" or any(each.exists() for each in drivers))


def own_launcher(node: Mapping[str, Any]) -> Launcher | None:
    """Return what a validated ``launcher`` config describes, if it is one of this module's."""
    known = {f"{__name__}.{each.__name__}": each for each in (Inline, Workers)}
    if (kind := known.get(node["_target_"])) is None:
        return None
    return kind(**{key: value for key, value in node.items() if key != "_target_"})


def _omp_threads() -> int | None:
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(first) if first.isdigit() and int(first) > 0 else None
