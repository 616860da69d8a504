"""How many workers a sweep gets, with which threads and GPUs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fovea.config import hardware
from fovea.config.errors import ConfigError
from fovea.config.hardware import visible_gpus
from fovea.sweep import launchers
from fovea.sweep.launchers import Inline, Workers, require_devices

TRAINER = {"accelerator": "auto", "threads": None}


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "available_cores", lambda: 8)
    monkeypatch.setattr(launchers.psutil, "virtual_memory", lambda: memory(gib=64))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_NUM_THREADS")


def memory(gib: float) -> SimpleNamespace:
    return SimpleNamespace(available=int(gib * 2**30))


def size(launcher: Workers, runs: int, **trainer: Any) -> tuple[int, str]:
    """Return the number of workers and the threads of each."""
    environments = launcher.environments(runs, TRAINER | trainer)
    (threads,) = {each["OMP_NUM_THREADS"] for each in environments}
    assert {each["MKL_NUM_THREADS"] for each in environments} == {threads}
    assert {each["FOVEA_WORKERS"] for each in environments} == {str(len(environments))}
    return len(environments), threads


def test_the_cores_are_shared_out() -> None:
    assert size(Workers(), 100) == (8, "1")
    assert size(Workers(), 3) == (3, "2")
    assert size(Workers(threads=4), 100) == (2, "4")
    assert size(Workers(workers=2), 100) == (2, "4")
    assert size(Workers(workers=16), 100) == (16, "1")
    assert size(Workers(threads=16), 100) == (1, "16")


def test_threads_that_are_set_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert size(Workers(), 100) == (4, "2")
    assert size(Workers(threads=8), 100) == (1, "8")
    assert size(Workers(threads=8), 100, threads=1) == (8, "1")


def test_memory_bounds_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers.psutil, "virtual_memory", lambda: memory(gib=4))
    assert size(Workers(), 100) == (2, "4")
    assert size(Workers(workers=4), 100) == (4, "2")


def test_each_gpu_gets_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, GPU-5e,-1")
    assert visible_gpus() == ["1", "GPU-5e"]
    assert size(Workers(), 100) == (2, "4")
    gpus = [each["CUDA_VISIBLE_DEVICES"] for each in Workers(3).environments(9, TRAINER)]
    assert gpus == ["1", "GPU-5e", "1"]
    assert size(Workers(), 100, accelerator="cpu") == (8, "1")
    assert "CUDA_VISIBLE_DEVICES" not in Workers().environments(9, TRAINER | {"accelerator": "cpu"})


def test_gpus_are_counted_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    listed = "GPU 0: A (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-2)\nGPU 1: A (UUID: GPU-3)"
    monkeypatch.setattr(hardware.shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(hardware.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=listed))
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setattr(hardware.shutil, "which", lambda _: None)
    assert visible_gpus() == []


def test_a_single_run_is_trained_here() -> None:
    for launcher in (Inline(), Workers(), Workers(workers=4, threads=1)):
        assert launcher.environments(1, TRAINER) == []
    assert Inline().environments(9, TRAINER) == []


def test_no_worker_is_started_where_it_would_be_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Workers(workers=1).environments(100, TRAINER) == []
    assert Workers().environments(100, TRAINER | {"threads": 8}) == []
    assert size(Workers(workers=1, threads=2), 100) == (1, "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert Workers().environments(100, TRAINER) == []


@pytest.mark.parametrize(
    ("gpus", "accelerator", "devices", "refusal"),
    [
        (
            "",
            "gpu",
            1,
            "trainer.accelerator=gpu: there is no GPU that this process may use; set",
        ),
        ("", "cuda", 1, "trainer.accelerator=cuda: there is no GPU"),
        ("", "auto", 8, None),
        ("", "auto", 9, "trainer.devices=9: there are 8 CPU cores here; set fewer"),
        ("0,1", "auto", 2, None),
        ("0,1", "gpu", 3, "trainer.devices=3: there are 2 GPUs here; set fewer"),
        ("0,1", "cpu", 8, None),
        ("0,1", "mps", 1, None),
    ],
)
def test_devices_that_are_not_there_are_refused(
    gpus: str,
    accelerator: str,
    devices: int,
    refusal: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    trainer = {"accelerator": accelerator, "devices": devices}
    if refusal is None:
        require_devices(trainer)
        return
    with pytest.raises(ConfigError) as caught:
        require_devices(trainer)
    assert str(caught.value).startswith(refusal)
