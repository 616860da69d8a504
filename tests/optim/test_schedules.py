"""Schedules: worked values, and equality with torch's schedulers where those exist."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    StepLR,
)

from fovea.optim.schedules import (
    Constant,
    Cosine,
    MultiStep,
    OneCycle,
    Schedule,
    Step,
    WarmRestarts,
    per_step,
)

EPOCHS, STEPS = 12, 84  # seven steps to the epoch
ALL = [Constant(), Step(every=3), MultiStep(milestones=[4, 9]), Cosine(), WarmRestarts(period=3)]


def optimizer() -> SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.5)]
    return SGD(groups)


def rates(scheduler: LRScheduler, steps: int) -> Iterator[float]:
    for _ in range(steps):
        yield scheduler.get_last_lr()[0]
        scheduler.optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (Step(every=3, factor=0.5), lambda o: StepLR(o, 3, 0.5)),
        (MultiStep(milestones=[2, 5], factor=0.2), lambda o: MultiStepLR(o, [2, 5], 0.2)),
        (Cosine(final=0.1), lambda o: CosineAnnealingLR(o, EPOCHS, eta_min=0.1)),
        (
            WarmRestarts(period=2, growth=2, final=0.05),
            lambda o: CosineAnnealingWarmRestarts(o, 2, 2, eta_min=0.05),
        ),
        (
            WarmRestarts(period=5, growth=1),
            lambda o: CosineAnnealingWarmRestarts(o, 5, 1),
        ),
    ],
)
def test_equals_torch_by_the_epoch(
    schedule: Schedule, theirs: Callable[[SGD], LRScheduler]
) -> None:
    one_group = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    expected = list(rates(theirs(one_group), EPOCHS))
    assert [schedule(epoch, EPOCHS) for epoch in range(EPOCHS)] == pytest.approx(expected)


@pytest.mark.parametrize(("anneal", "torchs"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_equals_torch(
    anneal: Literal["cosine", "linear"], torchs: Literal["cos", "linear"]
) -> None:
    # torch's cycle peaks at step pct_start·total - 1 and ends at step total - 1.
    last = STEPS - 1
    scheduler = OneCycleLR(
        SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0),
        max_lr=1.0,
        total_steps=STEPS,
        pct_start=0.25,
        anneal_strategy=torchs,
        div_factor=25,
        final_div_factor=1e4,
        cycle_momentum=False,
    )
    expected = [*rates(scheduler, last), scheduler.get_last_lr()[0]]
    schedule = OneCycle(peak_at=(0.25 * STEPS - 1) / last, anneal=anneal)
    assert [schedule(step, last) for step in range(STEPS)] == pytest.approx(expected)


def test_one_cycle_worked_values() -> None:
    schedule = OneCycle(peak_at=0.5, initial=0.1, final=0.0, anneal="linear")
    assert [schedule(epoch, 8) for epoch in (0, 2, 4, 6, 8)] == pytest.approx(
        [0.1, 0.55, 1.0, 0.5, 0.0]
    )


def test_the_last_step_of_one_cycle_has_its_final_rate() -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = OneCycle(peak_at=0.5, initial=0.1, final=0.02, anneal="linear")
    scheduler = per_step(optimizer, schedule, total_steps=9, epochs=3)
    assert [*rates(scheduler, 9)] == pytest.approx(
        [0.1, 0.325, 0.55, 0.775, 1.0, 0.755, 0.51, 0.265, 0.02]
    )
    single = per_step(optimizer, schedule, total_steps=1, epochs=1)
    assert single.get_last_lr() == pytest.approx([0.1])


def test_fractions_of_an_epoch_are_met_exactly() -> None:
    steps = [step * 1 / 10 for step in range(10)]  # of one epoch
    assert 0.3 // 0.1 == 2  # so the third period of three began a step late
    every = Step(every=0.1, factor=0.5)
    assert [every(epoch, 1) for epoch in steps] == pytest.approx([0.5**n for n in range(10)])
    restarts = WarmRestarts(period=0.1, growth=1)
    assert [restarts(epoch, 1) for epoch in steps] == pytest.approx([1.0] * 10)
    milestones = MultiStep(milestones=[0.1 + 0.2])  # 0.30000000000000004
    assert milestones(0.3, 1) == pytest.approx(0.1)


def test_cosine_worked_values() -> None:
    schedule = Cosine(final=0.2)
    assert [schedule(epoch, 4) for epoch in (0, 2, 4)] == pytest.approx([1.0, 0.6, 0.2])


def test_curves_start_when_warm_up_ends() -> None:
    cosine = Cosine(warmup_epochs=2, warmup_start=0.2)
    assert [cosine(epoch, 10) for epoch in (0, 1, 2, 6, 10)] == pytest.approx(
        [0.2, 0.6, 1.0, 0.5, 0.0]
    )
    restarts = WarmRestarts(period=4, warmup_epochs=1)
    assert [restarts(epoch, 20) for epoch in (0.5, 1, 3, 5, 9)] == pytest.approx(
        [0.5, 1.0, 0.5, 1.0, 0.5]
    )
    cycle = OneCycle(peak_at=0.5, initial=0.1, anneal="linear", warmup_epochs=2)
    assert [cycle(epoch, 10) for epoch in (0, 1, 2, 6)] == pytest.approx([0.0, 0.05, 0.1, 1.0])


def test_milestones_count_from_the_start_of_training() -> None:
    schedule = MultiStep(milestones=[3], warmup_epochs=2)
    assert [schedule(epoch, 9) for epoch in (1, 2.9, 3)] == pytest.approx([0.5, 1.0, 0.1])


@pytest.mark.parametrize("schedule", [*ALL, OneCycle()])
@pytest.mark.parametrize("warmup_epochs", [0, 0.5, 5, EPOCHS])
def test_stays_within_0_and_1_and_may_end_in_warm_up(
    schedule: Schedule, warmup_epochs: float
) -> None:
    warm = type(schedule)(**{**vars(schedule), "warmup_epochs": warmup_epochs})
    values = [warm(step * EPOCHS / STEPS, EPOCHS) for step in range(STEPS + 1)]
    assert all(0 <= value <= 1 for value in values)
    assert (values[0] == 0) == (warmup_epochs > 0)
    if warmup_epochs:
        just_before, at_end = warm(warmup_epochs - 1e-9, EPOCHS), warm(warmup_epochs, EPOCHS)
        assert just_before == pytest.approx(at_end)


def test_per_step_multiplies_every_groups_own_rate() -> None:
    sgd = optimizer()
    schedule = MultiStep(milestones=[1, 3], factor=0.5)
    scheduler = per_step(sgd, schedule, total_steps=STEPS, epochs=EPOCHS)
    seen = []
    for _ in range(28):
        seen.append([group["lr"] for group in sgd.param_groups])
        sgd.step()
        scheduler.step()
    expected = [1.0] * 7 + [0.5] * 14 + [0.25] * 7
    assert seen == [[factor, factor / 2] for factor in expected]


def test_resumes_from_a_weights_only_checkpoint() -> None:
    def start() -> tuple[SGD, LRScheduler]:
        sgd = optimizer()
        return sgd, per_step(sgd, Cosine(warmup_epochs=1), total_steps=STEPS, epochs=EPOCHS)

    sgd, scheduler = start()
    whole = list(rates(scheduler, STEPS))
    sgd, scheduler = start()
    list(rates(scheduler, 30))
    file = io.BytesIO()
    torch.save({"optimizer": sgd.state_dict(), "scheduler": scheduler.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    sgd, scheduler = start()
    sgd.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    assert list(rates(scheduler, STEPS - 30)) == whole[30:]
