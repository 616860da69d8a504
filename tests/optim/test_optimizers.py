"""Optimizers: their first steps worked out by hand, what is decayed, and what is saved."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.optim import Optimizer

from fovea.config.errors import ConfigError
from fovea.optim.optimizers import adadelta, adagrad, adam, adamw, muon, rmsprop, sgd

ALL = [
    sgd,
    partial(sgd, momentum=0, nesterov=False),
    partial(adam, lr=0.01),
    partial(adamw, lr=0.01),
    partial(rmsprop, lr=0.01),
    partial(adadelta, eps=1e-3),
    adagrad,
    muon,
]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(54, 5),
    )


def loss_of(model: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(16, 1, 8, 8, generator=generator)
    return nn.functional.cross_entropy(model(images), torch.arange(16) % 5)


def train(model: nn.Module, optimizer: Optimizer, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


class Scalar(nn.Module):
    """One weight, w = 2, with gradient 3."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[2.0]]))

    def after(self, optimizer: Optimizer, steps: int = 1) -> float:
        for _ in range(steps):
            self.weight.grad = torch.tensor([[3.0]])
            optimizer.step()
        return self.weight.item()


@pytest.mark.parametrize(
    ("make", "steps", "expected"),
    [
        (partial(sgd, lr=0.1, momentum=0, nesterov=False, weight_decay=0), 1, 2 - 0.3),
        (partial(sgd, lr=0.1, momentum=0, nesterov=False, weight_decay=0.5), 1, 2 - 0.1 * (3 + 1)),
        # buffers 3 and 4.5
        (partial(sgd, lr=0.1, momentum=0.5, nesterov=False, weight_decay=0), 2, 2 - 0.3 - 0.45),
        # 3 + 0.5 · 3, then 3 + 0.5 · 4.5
        (partial(sgd, lr=0.1, momentum=0.5, weight_decay=0), 2, 2 - 0.45 - 0.525),
        (partial(adam, lr=0.1), 1, 2 - 0.1),
        (partial(adamw, lr=0.1, weight_decay=0.5), 1, 2 * (1 - 0.05) - 0.1),
        (partial(rmsprop, lr=0.1, alpha=0.75), 1, 2 - 0.1 * 3 / (0.25 * 9) ** 0.5),
        (partial(adadelta, lr=0.1, rho=0.75, eps=0.25), 1, 2 - 0.1 * 3 * (0.25 / 2.5) ** 0.5),
        (partial(adagrad, lr=0.1), 2, 2 - 0.1 - 0.1 * 3 / 18**0.5),
        (partial(adagrad, lr=0.1, initial_accumulator=16.0), 1, 2 - 0.1 * 3 / 25**0.5),
        # the only matrix is the head
        (partial(muon, lr=9, other_lr=0.1, momentum=0.5, weight_decay=0.5), 1, 2 * 0.95 - 0.45),
    ],
)
def test_first_steps(make: Callable[..., Optimizer], steps: int, expected: float) -> None:
    model = Scalar()
    assert model.after(make(model), steps) == pytest.approx(expected)


@pytest.mark.parametrize("make", ALL)
def test_reduces_the_loss(make: Callable[..., Optimizer]) -> None:
    model = network()
    losses = train(model, make(model), 15)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("make", ALL)
def test_resumes_from_a_weights_only_checkpoint(make: Callable[..., Optimizer]) -> None:
    whole = network()
    train(whole, make(whole), 6)
    first = network()
    optimizer = make(first)
    train(first, optimizer, 3)
    file = io.BytesIO()
    torch.save([first.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    model_state, optimizer_state = torch.load(file, weights_only=True)
    second = network()
    optimizer = make(second)
    second.load_state_dict(model_state)
    optimizer.load_state_dict(optimizer_state)
    train(second, optimizer, 3)
    assert torch.equal(weights(second), weights(whole))


@pytest.mark.parametrize("make", ALL)
def test_decay_of_weights_spares_biases_and_norms(make: Callable[..., Optimizer]) -> None:
    model = network()
    optimizer = make(model, weight_decay=0.25, decay="weights")
    decay = {
        id(parameter): group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert [decay[id(parameter)] for parameter in model.parameters()] == [
        *(0.25, 0.0),  # filters, biases
        *(0.0, 0.0),  # batch norm
        *(0.25, 0.0),
        *(0.25, 0.0),
    ]
    everything = make(model, weight_decay=0.25, decay="all")
    assert {group["weight_decay"] for group in everything.param_groups} == {0.25}


@pytest.mark.parametrize("make", ALL)
def test_frozen_parameters_are_left_out(make: Callable[..., Optimizer]) -> None:
    model = network()
    model[0].requires_grad_(False)
    frozen = model[0].weight.clone()
    optimizer = make(model, weight_decay=0.25)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 6
    train(model, optimizer, 2)
    assert torch.equal(model[0].weight, frozen)


def test_betas_are_saved_as_plain_numbers() -> None:
    optimizer = adam(network(), betas=OmegaConf.create([0.8, 0.9]))
    assert optimizer.state_dict()["param_groups"][0]["betas"] == (0.8, 0.9)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ConfigError, match=r"nesterov=true needs optimizer\.momentum above 0"):
        sgd(network(), momentum=0, nesterov=True)


@pytest.mark.parametrize("make", [sgd, adam, adamw])
def test_lightning_clips_gradients_under_mixed_precision(make: Callable[..., Optimizer]) -> None:
    model = network()
    optimizer = make(model)
    loss_of(model).backward()
    MixedPrecision("bf16-mixed", "cpu").clip_gradients(optimizer, clip_val=1e-3)
    gradients = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert gradients.norm().item() == pytest.approx(1e-3, rel=1e-2)
