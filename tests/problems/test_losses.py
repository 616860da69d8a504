"""Losses against their formulas."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from fovea.problems.classification.losses import CrossEntropy, LeNetMAP

LOGITS = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -0.5, -2.0]])
TARGETS = torch.tensor([0, 2])


def test_cross_entropy() -> None:
    sums = [exp(-1) + exp(-2) + exp(-3), exp(-4) + exp(-0.5) + exp(-2)]
    expected = (1 + log(sums[0]) + 2 + log(sums[1])) / 2
    assert CrossEntropy()(LOGITS, TARGETS).item() == pytest.approx(expected)


def test_label_smoothing_spreads_over_all_classes() -> None:
    smoothing = 0.3
    target = torch.full((2, 3), smoothing / 3)
    target[[0, 1], TARGETS] += 1 - smoothing
    expected = -(target * LOGITS.log_softmax(1)).sum(1).mean()
    result = CrossEntropy(label_smoothing=smoothing)(LOGITS, TARGETS)
    torch.testing.assert_close(result, expected)


def test_lenet_map_is_equation_9() -> None:
    j = 0.7
    sums = [
        exp(-j) + sum(exp(-penalty) for penalty in penalties)
        for penalties in [(1, 2, 3), (4, 0.5, 2)]
    ]
    expected = (1 + log(sums[0]) + 2 + log(sums[1])) / 2
    assert LeNetMAP(rubbish_penalty=j)(LOGITS, TARGETS).item() == pytest.approx(expected)


def test_rubbish_class_shields_wrong_classes_with_large_penalties() -> None:
    penalties = torch.tensor([[5.0, 20.0]], requires_grad=True)
    target = torch.tensor([0])
    LeNetMAP(rubbish_penalty=0.1)(-penalties, target).backward()
    shielded = penalties.grad
    assert shielded is not None
    assert shielded[0, 0].item() == pytest.approx(1, abs=0.01)  # still pulled down
    assert abs(shielded[0, 1].item()) < 1e-8  # no longer pushed up
