"""The environment record."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import torch

from fovea import __version__
from fovea.training.settings import TrainerSettings
from fovea.training.tracking import environment as module
from fovea.training.tracking.environment import (
    environment,
    hardware_class,
    has_fast_bfloat16,
    peak_memory_mib,
    reset_peak_memory,
)


def test_versions_hardware_and_threads() -> None:
    found = environment("")
    assert json.loads(json.dumps(found)) == found
    assert found["fovea"] == __version__
    assert found["packages"]["torch"] == version("torch")
    assert found["packages"]["pytorch-lightning"] == version("pytorch-lightning")
    assert found["hardware"]["cores"] == os.cpu_count()
    assert found["hardware"]["memory_gib"] > 0.1
    assert found["hardware"]["processor"]
    assert found["threads"] == torch.get_num_threads()
    assert found["workers"] == 1


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init")
    (tmp_path / "model.py").write_text("depth = 20\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    monkeypatch.setattr(module, "_SOURCE", tmp_path)
    return tmp_path


def test_a_clean_checkout(checkout: Path) -> None:
    assert environment(module.uncommitted_diff())["git"] == {
        "sha": git(checkout, "rev-parse", "HEAD"),
        "dirty": False,
    }
    assert module.uncommitted_diff() == ""


def test_an_edited_checkout(checkout: Path) -> None:
    (checkout / "model.py").write_text("depth = 110\n")
    assert environment(module.uncommitted_diff())["git"]["dirty"] is True
    assert "-depth = 20\n+depth = 110" in module.uncommitted_diff()


def test_an_edit_that_is_not_utf_8(checkout: Path) -> None:
    (checkout / "model.py").write_bytes(b"name = 'Gr\xfc\xdfe'\n")
    assert b"+name = 'Gr\xfc\xdfe'" in os.fsencode(module.uncommitted_diff())


def test_another_repository_that_the_environment_names(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init")
    (other / "secret.py").write_text("canary\n")
    git(other, "add", ".")
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert environment(module.uncommitted_diff())["git"] == {"sha": commit, "dirty": False}


@pytest.mark.parametrize(("told", "workers"), [("3", 3), ("abc", 1), ("", 1), ("-2", 1)])
def test_the_number_of_workers(monkeypatch: pytest.MonkeyPatch, told: str, workers: int) -> None:
    monkeypatch.setenv("FOVEA_WORKERS", told)
    assert environment("")["workers"] == workers


def test_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SOURCE", tmp_path)
    assert environment(module.uncommitted_diff())["git"] == {"sha": None, "dirty": False}


def test_peak_memory_grows_by_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = peak_memory_mib()
    now = psutil.Process().memory_info().rss / 2**20
    held = [torch.ones(int(before - now + 64), 2**18)]  # rows of 1 MiB
    while (
        now := psutil.Process().memory_info().rss / 2**20
    ) < before + 32:  # freed pages came back
        held.append(torch.ones(32, 2**18))
    assert now - 32 < peak_memory_mib() < now + 128


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts anew")
def test_peak_memory_is_counted_anew_for_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with mmap.mmap(-1, 2**28) as large:
        large[::4096] = bytes(2**16)  # every page
    before = peak_memory_mib()
    reset_peak_memory()
    assert peak_memory_mib() < before - 128


def test_bfloat16_is_fast_where_the_processor_says_so() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.is_file() else ""
    assert has_fast_bfloat16("cpu") == ("avx512_bf16" in flags or "amx_bf16" in flags)
    assert not has_fast_bfloat16("mps")


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("avx2 avx512f avx512_bf16 amx_tile amx_bf16", "cpu amx"),
        ("avx2 avx512f avx512_bf16", "cpu avx512_bf16"),
        ("sse4_2 avx2 avx512f avx512vl", "cpu avx512"),
        ("sse4_2 avx2", "cpu avx2"),
        ("fp asimd evtstrm", "cpu neon"),
    ],
)
def test_a_processor_is_of_the_class_of_its_vectors(
    monkeypatch: pytest.MonkeyPatch, flags: str, found: str
) -> None:
    monkeypatch.setattr(module, "_cpuinfo", lambda: f"flags\t: fpu {flags}\n")
    assert hardware_class("cpu") == found
    assert has_fast_bfloat16("cpu") == ("bf16" in flags)


def test_a_gpu_is_a_class_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    assert TrainerSettings().resolved_hardware == "cuda NVIDIA H100"
    assert TrainerSettings(accelerator="mps").resolved_hardware == "mps"
    assert TrainerSettings(accelerator="cpu").resolved_hardware.startswith("cpu ")


def test_the_age_of_a_process() -> None:
    script = (
        "from fovea.training.tracking.environment import process_seconds; print(process_seconds())"
    )
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    age, elapsed = float(done.stdout), time.perf_counter() - begun
    assert 0 < age < elapsed + 0.02  # the clock of its creation ticks 100 times a second
