"""The processes of a run, whatever the environment says of others."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import psutil
import pytest
import torch
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher

from fovea.records import RunFolder
from fovea.training.local import LocalProcesses, ThisMachine
from fovea.training.settings import TrainerSettings

OF_OTHERS = {
    "SLURM_JOB_ID": "77",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_NODELIST": "elsewhere",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "MASTER_ADDR": "elsewhere",
    "MASTER_PORT": "1",
    "TORCHELASTIC_RUN_ID": "x",
    "GROUP_RANK": "2",
}


@pytest.fixture
def left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell in which another launcher's variables were left."""
    for name, value in OF_OTHERS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("left_behind")
def test_a_run_on_one_device_is_rank_0(trained: Callable[..., RunFolder]) -> None:
    run = trained("epochs=2")
    assert run.status == "finished"
    assert [row["epoch"] for row in run.history()] == [1, 2]
    assert len(list(run.path.glob("loggers/*/metrics.csv"))) == 1


@pytest.mark.usefixtures("left_behind")
def test_ranks_are_foveas_own() -> None:
    environment = TrainerSettings(accelerator="cpu").trainer(epochs=1, loggers=False, callbacks=[])
    assert (environment.global_rank, environment.world_size, environment.num_nodes) == (0, 1, 1)
    machine = ThisMachine()
    assert (machine.local_rank(), machine.node_rank(), machine.global_rank()) == (0, 0, 0)
    assert not machine.creates_processes_externally


def test_what_lightning_reads_when_it_is_imported() -> None:
    script = (
        "import fovea.training\n"
        "from pytorch_lightning.utilities.rank_zero import rank_zero_only\n"
        "print(rank_zero_only.rank)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"RANK": "abc", "SLURM_PROCID": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


def test_processes_listen_on_the_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "LOCAL_RANK"):
        monkeypatch.setenv(name, "")  # so that what is set is put back
        monkeypatch.delenv(name)
    strategy = LocalProcesses("spawn")
    strategy.parallel_devices = [torch.device("cpu")]
    strategy.cluster_environment = ThisMachine()
    here = psutil.Process()
    before = {each.laddr for each in here.net_connections("inet")}
    strategy.setup_distributed()
    try:
        assert torch.distributed.get_world_size() == 1
        opened = [each for each in here.net_connections("inet") if each.laddr not in before]
        assert {each.laddr.ip for each in opened} <= {"127.0.0.1", "::1"}
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="the processor cannot flush them")
def test_a_spawned_process_takes_denormals_for_zero_before_all_else() -> None:
    strategy = pickle.dumps(LocalProcesses("spawn", threads=2))
    torch.set_flush_denormal(False)  # as tests before this one may not have left it
    try:
        assert sys.float_info.min / 2 > 0
        assert pickle.loads(strategy)._threads == 2
        assert sys.float_info.min / 2 == 0
    finally:
        torch.set_flush_denormal(False)


def test_an_exception_ends_the_other_processes() -> None:
    strategy = LocalProcesses("spawn")
    strategy._launcher = launcher = _MultiProcessingLauncher(strategy, start_method="spawn")
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", deaf])
    launcher.procs = [SimpleNamespace(pid=process.pid, is_alive=lambda: process.poll() is None)]  # pyright: ignore[reportAttributeAccessIssue]
    strategy.on_exception(KeyboardInterrupt())
    assert process.wait(timeout=60) == -signal.SIGKILL


def test_the_meeting_place_is_the_users_own_and_goes() -> None:
    strategy = LocalProcesses("spawn")
    place = strategy._meeting
    assert place.stat().st_mode & 0o777 == 0o700
    del strategy
    assert not place.exists()
