"""Learning-rate schedules: pure functions of the position in training.

A schedule maps ``(epoch, epochs)`` to the factor of the base learning rate, which is the highest
one. ``epoch`` is continuous: 1.5 is the middle of the second epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, floor, pi
from typing import Literal, final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fovea.config.types import (
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Probability,
)

_ROUNDING = 1e-9  # of an epoch: positions are multiples of a step, rounded


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """A curve with a linear warm-up before it (Goyal et al. 2017, arXiv 1706.02677, section 2.2).

    Args:
        warmup_epochs: length of the warm-up.
        warmup_start: what it starts at, as a fraction of what it ends at: the curve's first value.
    """

    warmup_epochs: NonNegativeFloat = 0.0
    warmup_start: Probability = 0.0

    ends_at_last_step = False  # the curve, instead of at the end of that step

    @final
    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the base learning rate at ``epoch`` of ``epochs``."""
        if epoch >= self.warmup_epochs:
            return self.curve(epoch, epochs)
        ramp = _line(self.warmup_start, 1.0, epoch / self.warmup_epochs)
        return ramp * self.curve(self.warmup_epochs, epochs)

    @abstractmethod
    def curve(self, epoch: float, epochs: float) -> float:
        """Return the factor at an ``epoch`` (counted from the start of training) after warm-up."""

    def progress(self, epoch: float, epochs: float) -> float:
        """Return how much of the training after warm-up is done, within [0, 1]."""
        span = epochs - self.warmup_epochs
        return min((epoch - self.warmup_epochs) / span, 1.0) if span > 0 else 0.0


@dataclass(frozen=True)
class Constant(Schedule):
    """The base learning rate throughout."""

    def curve(self, epoch: float, epochs: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplies by ``factor`` every so many epochs, counted from the very start."""

    every: PositiveFloat = 10
    factor: PositiveFloat = 0.1

    def curve(self, epoch: float, epochs: float) -> float:
        return self.factor ** floor(epoch / self.every + _ROUNDING)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """Multiplies by ``factor`` at each of the ``milestones``, in epochs from the very start."""

    milestones: Sequence[PositiveFloat] = (82, 123)
    factor: PositiveFloat = 0.1

    def curve(self, epoch: float, epochs: float) -> float:
        reached = sum(epoch >= milestone - _ROUNDING for milestone in self.milestones)
        return self.factor**reached


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to ``final`` (Loshchilov and Hutter 2017, arXiv 1608.03983)."""

    final: Probability = 0.0

    def curve(self, epoch: float, epochs: float) -> float:
        return _half_cosine(1.0, self.final, self.progress(epoch, epochs))


@dataclass(frozen=True)
class WarmRestarts(Schedule):
    """SGDR: half cosines one after the other (Loshchilov and Hutter 2017, arXiv 1608.03983).

    Args:
        period: epochs of the first half cosine, which starts when the warm-up ends.
        growth: each further one lasts so many times as long.
        final: factor at the end of each.
    """

    period: PositiveFloat = 10
    growth: PositiveInt = 2
    final: Probability = 0.0

    def curve(self, epoch: float, epochs: float) -> float:
        since_restart, period = epoch - self.warmup_epochs, self.period
        while since_restart >= period - _ROUNDING:
            since_restart = max(since_restart - period, 0.0)
            period *= self.growth
        return _half_cosine(1.0, self.final, since_restart / period)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``initial`` to 1 and down to ``final`` (Smith and Topin 2018, arXiv 1708.07120).

    Args:
        peak_at: share of the training at which the factor is 1.
        initial: first factor.
        final: last factor.
        anneal: shape of both halves.
    """

    ends_at_last_step = True

    peak_at: Fraction = 0.3
    initial: Probability = 0.04
    final: Probability = 4e-6
    anneal: Literal["cosine", "linear"] = "cosine"

    def curve(self, epoch: float, epochs: float) -> float:
        between = _half_cosine if self.anneal == "cosine" else _line
        progress = self.progress(epoch, epochs)
        if progress < self.peak_at:
            return between(self.initial, 1.0, progress / self.peak_at)
        return between(1.0, self.final, (progress - self.peak_at) / (1 - self.peak_at))


def _line(start: float, end: float, progress: float) -> float:
    return start + (end - start) * progress


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + cos(pi * progress)) / 2


def per_step(
    optimizer: Optimizer, schedule: Schedule, *, total_steps: int, epochs: int
) -> LambdaLR:
    """Return a scheduler that is to be stepped after every optimizer step.

    Args:
        optimizer: every parameter group's learning rate is its base, and is multiplied.
        schedule: the factor.
        total_steps: optimizer steps in ``epochs``.
        epochs: length of training.
    """
    # LambdaLR leaves plain functions out of its state, which thus loads with weights_only=True.
    ends_early = schedule.ends_at_last_step and total_steps > 1
    end = epochs * (total_steps - 1) / total_steps if ends_early else float(epochs)
    return LambdaLR(optimizer, lambda step: schedule(min(step * epochs / total_steps, end), end))
