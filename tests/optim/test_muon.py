"""Muon: orthogonal steps of the hidden weights, plain steps of all else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fovea.optim.muon import Muon, orthogonalize
from fovea.optim.optimizers import muon


@pytest.mark.parametrize("shape", [(16, 16), (8, 50), (50, 8), (1, 9)])
def test_orthogonalized_singular_values_are_near_1(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    scale = max(1, shape[0] / shape[1]) ** 0.5
    result = orthogonalize(matrix) / scale
    singular = torch.linalg.svdvals(result)
    assert singular.min() > 0.6
    assert singular.max() < 1.25
    cosine = (result * (u @ v)).sum() / (result.norm() * (u @ v).norm())
    assert cosine > 0.97


def test_orthogonalize_ignores_scale_and_bears_zeros() -> None:
    matrix = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalize(1e4 * matrix), orthogonalize(matrix))
    assert torch.equal(orthogonalize(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_hidden_weights_are_all_matrices_but_the_last() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 6), nn.Linear(6, 2)
    )
    optimizer = muon(model, lr=0.02, other_lr=0.5)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {
        group["orthogonal"]: ([names[id(p)] for p in group["params"]], group["lr"])
        for group in optimizer.param_groups
    }
    assert groups == {
        True: (["0.weight", "3.weight"], 0.02),
        False: (["0.bias", "1.weight", "1.bias", "3.bias", "4.weight", "4.bias"], 0.5),
    }


def test_a_filter_bank_steps_as_its_matrix() -> None:
    filters = nn.Parameter(torch.zeros(4, 2, 3, 3).to(memory_format=torch.channels_last))
    gradient = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    optimizer = Muon([filters], lr=0.5, momentum=0.9)
    filters.grad = gradient
    optimizer.step()
    step = -filters.detach().flatten(1) / 0.5
    torch.testing.assert_close(step, orthogonalize(gradient.flatten(1)))


def test_step_returns_the_closures_loss() -> None:
    weight = nn.Parameter(torch.eye(2))
    optimizer = Muon([weight], lr=0.1, momentum=0.0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert weight.square().sum().item() < 2
