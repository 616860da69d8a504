"""One thread per process (pytest-xdist fills the cores), and no folder of the user's touched."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FOVEA_OUTPUTS", str(home / "outputs"))
    monkeypatch.setenv("FOVEA_DATA", str(home / "data"))
    monkeypatch.setenv("FOVEA_CACHE", str(home / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the commands that tests start
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.delenv("FOVEA_TRUST", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)  # that a command run here has set
    monkeypatch.setenv("WANDB_DATA_DIR", str(home / "wandb"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home / "wandb"))


@pytest.fixture(scope="session", autouse=True)
def _heeds_interrupts() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's background job is deaf to it
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An output root of the test's own."""
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"
