"""What is made of the programs' turns, with programs that only claim to have trained."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from fovea.bench import machine, speed
from fovea.bench.turns import Turn
from fovea.config.errors import ConfigError

FIRST_STEPS = {"fovea": 0.5, "compiled": 20.5}


class FakeProgram:
    """Trains 60 images a second; ends an epoch in 3 s."""

    def __init__(self, name: str) -> None:
        self.first = FIRST_STEPS.get(name, 0.1)

    def turn(self) -> Turn:
        return Turn(2.0, 120, 1, 100.0, first_step_seconds=self.first, epoch_ends=(3.0,))


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    @contextmanager
    def started(programs: Mapping[str, Any], *_: Any) -> Iterator[dict[str, FakeProgram]]:
        yield {name: FakeProgram(name) for name in programs}

    peaks = itertools.cycle([5.0, 7.0, 6.0])
    monkeypatch.setattr(speed, "_started", started)
    monkeypatch.setattr(speed, "gemm_peak", lambda dtype, device: next(peaks))
    monkeypatch.setattr(speed, "require_compiler", lambda device: None)

    def measure() -> dict[str, Any]:
        return speed.measure_training(
            "resnet",
            rounds=2,
            steps=4,
            batch_size=8,
            threads=1,
            logs=tmp_path,
            progress=lambda text: None,
        )

    return measure


def test_every_program_has_its_rounds_and_the_peak_is_the_best_of_all(measure):
    measured = measure()
    assert measured["programs"].keys() == {
        *("guide", "torchvision", "template", "bare", "fovea", "compiled")
    }
    for own in measured["programs"].values():
        assert own == {"images_per_second": [60.0, 60.0], "peak_memory_mib": 100.0}
    assert max(measured["gemm_peak"].values()) == 7.0
    assert measured["compile_seconds"] == 20.0
    assert measured["epoch_end_seconds"] == 2.5  # less a step
    assert measured["not_measured"] == {}


def test_without_a_compiler_the_compiled_program_is_left_out(
    measure, monkeypatch: pytest.MonkeyPatch
):
    def refuse(device: torch.device) -> None:
        raise ConfigError("no C++ compiler")

    monkeypatch.setattr(speed, "require_compiler", refuse)
    measured = measure()
    assert "compiled" not in measured["programs"]
    assert measured["not_measured"] == {"compiled": "no C++ compiler"}
    assert measured["compile_seconds"] is None


def test_the_peak_is_of_the_fastest_product(monkeypatch: pytest.MonkeyPatch):
    clock = itertools.accumulate([0, 2, 0, 1, 0, 4, 0, 3, 0, 5])  # each product: start and end
    monkeypatch.setattr(machine, "_SIDE", 4)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: float(next(clock)))
    assert machine.gemm_peak(torch.float32, torch.device("cpu")) == 2 * 4**3 / 1.0
