"""How much memory pixels may take."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fovea.data.image import memory
from fovea.data.image.memory import GIB, allowance, is_shared_memory_enough


@pytest.mark.parametrize(
    ("limit", "allowed"), [("auto", 4 * GIB), (2, 2 * GIB), (0.5, GIB // 2), (100, 8 * GIB)]
)
def test_half_of_what_is_free_or_a_number_but_never_more(
    limit: float, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(available=8 * GIB)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    assert allowance(limit, torch.device("cpu")) == allowed


def test_a_gpu_counts_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (6 * GIB, 80 * GIB))
    assert allowance("auto", torch.device("cuda", 1)) == 3 * GIB
    assert allowance(16, torch.device("cuda", 1)) == 6 * GIB


@pytest.mark.parametrize(
    ("size", "workers", "enough"),
    [(16, "", True), (17, "", False), (8, "2", True), (9, "2", False), (16, "abc", True)],
)
def test_shared_memory_is_for_several_loaders_and_runs(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    size: int,
    workers: str,
    enough: bool,
) -> None:
    monkeypatch.setattr(memory, "_SHARED", Path("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=64 * 2**20))
    monkeypatch.setenv("FOVEA_WORKERS", workers)
    assert is_shared_memory_enough(size * 2**20) is enough
    assert len(caplog.records) == (not enough)


def test_a_system_without_that_folder_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SHARED", Path("/no/such/folder"))
    assert is_shared_memory_enough(2**60)
