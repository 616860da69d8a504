"""How much memory pixels may take."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fovea.data.memory import GIB, allowance


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
