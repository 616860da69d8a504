"""The cores that a process may use, by files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fovea.config.hardware import available_cores

UNLIMITED = "max 100000"


@pytest.mark.parametrize(
    ("cgroup", "files", "cores"),
    [
        ("", {}, 8),
        ("0::/", {"cpu.max": UNLIMITED}, 8),
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 2),  # a share of a core is a core
        ("0::/", {"cpu.max": "1600000 100000"}, 8),  # more than there are
        ("0::/a/b", {"a/b/cpu.max": UNLIMITED, "a/cpu.max": "300000 100000"}, 3),
        ("0::/a/b", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1),
        ("0::/of/the/host", {"cpu.max": "50000 100000"}, 1),
        (
            "5:cpu,cpuacct:/job\n4:memory:/job\n0::/",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "400000",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
                "memory/job/cpu.cfs_quota_us": "100000",
                "memory/job/cpu.cfs_period_us": "100000",
            },
            4,
        ),
        ("0::/", {"cpu.max": "garbage"}, 8),
        ("0::/", {"cpu.max": "100000 0"}, 8),
    ],
)
def test_cores_are_limited_by_the_quota_of_a_cgroup(
    cgroup: str,
    files: dict[str, str],
    cores: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    written = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/self/cgroup": cgroup, **written}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    assert available_cores(tmp_path) == cores


def test_a_system_without_cgroups_is_asked_for_its_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores(tmp_path) == 6
