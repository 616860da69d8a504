"""The stopwatch: what it counts, and what it does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from fovea.problems.base import Task
from fovea.training.tracking.history import Stopwatch


def test_the_first_step_is_told_once_and_off_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr("fovea.training.tracking.history.time", clock)
    trainer, task, batch = Mock(global_step=0, world_size=1), Mock(spec=Task, samples=48), None
    told: list[Any] = []

    def take_five(trainer: Any) -> None:
        told.append(trainer)
        clock.now += 5

    watch = Stopwatch(origin=97.0, after_first_step=take_five)
    watch.on_train_epoch_start(trainer, task)
    for step in (0, 1, 2):  # the first batch is accumulated only
        clock.now += 1
        trainer.global_step = step
        watch.on_train_batch_end(trainer, task, None, batch, step)
    watch.on_train_epoch_end(trainer, task)
    assert watch.startup_seconds == 5.0  # 97 to 102
    assert told == [trainer]
    logged = {call.args[0]: call.args[1] for call in task.log.call_args_list}
    assert logged == {"seconds": 3.0, "samples_per_second": 16.0}
