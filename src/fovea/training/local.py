"""The processes of a run on this machine, which fovea starts itself: whatever the shell says.

Several runs in one ``srun``, or variables that a launcher left behind, describe other processes.
Nothing here listens where another machine could connect.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import weakref
from pathlib import Path
from typing import Any, Literal

import torch.distributed
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch.distributed import FileStore

from fovea.training.process import prepare_process


class ThisMachine(LightningEnvironment):
    """Ranks as fovea numbers them; Slurm's, and those of leftover variables, are of others."""

    def __init__(self) -> None:
        super().__init__()
        self._parent = os.getpid()

    @property
    def creates_processes_externally(self) -> bool:
        return False

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """None: the processes meet in a file."""
        return 0

    def local_rank(self) -> int:
        return 0 if os.getpid() == self._parent else super().local_rank()  # the launcher sets it

    def node_rank(self) -> int:
        return 0


class LocalProcesses(DDPStrategy):
    """A process for each device, which meet in a file, talk by the loopback, and end together.

    Args:
        start_method: ``spawn`` or ``fork``.
        threads: of torch in each; ``None`` leaves them to Lightning.
    """

    def __init__(self, start_method: Literal["spawn", "fork"], threads: int | None = None) -> None:
        super().__init__(start_method=start_method)
        self._threads = threads
        self._meeting = Path(tempfile.mkdtemp(prefix="fovea-"))
        weakref.finalize(self, shutil.rmtree, self._meeting, ignore_errors=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive in a spawned process, where Lightning copies the weights before all else."""
        vars(self).update(state)
        prepare_process()

    def setup_distributed(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)  # Lightning has divided the cores
        self.set_world_ranks()
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", _loopback())
        backend = self._get_process_group_backend()
        torch.distributed.init_process_group(
            backend,
            store=FileStore(str(self._meeting / "store"), self.world_size),
            rank=self.global_rank,
            world_size=self.world_size,
            timeout=self._timeout,
            device_id=self.root_device if self.root_device.type != "cpu" else None,
        )
        super().setup_distributed()  # which leaves the group as it is

    def on_exception(self, exception: BaseException) -> None:
        """End the other processes: they would train on, or wait for each other without end."""
        super().on_exception(exception)
        if self.launcher is not None:
            self.launcher.kill(signal.SIGKILL)


def _loopback() -> str:
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
