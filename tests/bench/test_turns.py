"""Turns: who is timed when, and what is told of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from fovea.bench.speed import take_turns
from fovea.bench.turns import Program, Turns
from fovea.config.errors import ConfigError


class Channel:
    """The bench's end and the program's in one: says go at once, and keeps what is told."""

    def __init__(self) -> None:
        self.told = []
        self.asked = 0

    def recv(self):
        self.asked += 1

    def send(self, turn) -> None:
        self.told.append(turn)


def batches(count: int, size: int = 2):
    return [(torch.zeros(size, 1), torch.zeros(size)) for _ in range(count)]


def test_a_turn_counts_its_timed_steps_and_waits_before_the_next():
    channel = Channel()
    turns = Turns(channel, warmup=1, steps=3).of(batches(9))  # pyright: ignore[reportArgumentType]
    assert len(turns) == 9
    assert len(list(turns)) == 9
    assert [turn.images for turn in channel.told] == [6, 6]  # the third turn has made one step
    assert channel.asked == 3
    assert all(turn.seconds > 0 for turn in channel.told)
    assert channel.told[0].threads == torch.get_num_threads()


def test_the_first_step_is_timed_apart(monkeypatch: pytest.MonkeyPatch):
    seconds = itertools.count()
    monkeypatch.setattr("fovea.bench.turns._now", lambda: float(next(seconds)))
    channel = Channel()
    turns = Turns(channel, warmup=0, steps=2).of(batches(5))  # pyright: ignore[reportArgumentType]
    list(turns)
    assert [turn.first_step_seconds for turn in channel.told] == [1.0, 1.0]


def test_a_turn_spans_epochs_and_tells_what_lies_between_them():
    channel = Channel()
    turns = Turns(channel, warmup=0, steps=5).of(batches(4))  # pyright: ignore[reportArgumentType]
    for _ in range(3):
        list(turns)
    assert [len(turn.epoch_ends) for turn in channel.told] == [1, 1]


def test_an_epoch_is_cut_short_at_its_limit():
    channel = Channel()
    turns = Turns(channel, 0, 4, limit=3).of(batches(9))  # pyright: ignore[reportArgumentType]
    assert [len(turns), len(list(turns)), len(list(turns))] == [3, 3, 3]
    assert [len(turn.epoch_ends) for turn in channel.told] == [1]


def counting(size: int, turns: Turns) -> None:
    for _ in range(100):
        for _ in turns.of(batches(4, size)):
            pass


def failing(size: int, turns: Turns) -> None:
    raise ValueError("the boiler burst")


def start(train, folder: Path) -> Program:
    return Program(train, (3,), warmup=1, steps=4, threads=1, log=folder / "log")


def test_programs_train_in_turn_in_processes_of_their_own(tmp_path: Path):
    program = start(counting, tmp_path)
    try:
        heard: list[str] = []
        turns = take_turns(
            {"one": program},
            rounds=2,
            threads=1,
            progress=heard.append,
            after_round=lambda: heard.append("after"),
        )
        assert [turn.images for turn in turns["one"]] == [12, 12]
        rounds = ["warm-up: one", "round 1 of 2: one", "round 2 of 2: one"]
        assert heard == [line for each in rounds for line in (each, "after")]
        with pytest.raises(ConfigError, match="one trains with 1 threads where --threads=2"):
            take_turns({"one": program}, rounds=1, threads=2, progress=heard.append)
    finally:
        program.stop()


def test_a_program_that_fails_is_told_with_its_traceback(tmp_path: Path):
    program = start(failing, tmp_path)
    with pytest.raises(RuntimeError, match="the boiler burst"):
        program.turn()
    program.stop()
