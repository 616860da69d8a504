"""Optimizers of a model's trainable parameters; a config's numbers are the keyword arguments.

Each function takes the model, not its parameters, because what is decayed (and, by Muon,
orthogonalised) depends on what a parameter is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from torch import nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop

from fovea.config.errors import ConfigError
from fovea.config.types import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt
from fovea.optim.muon import Muon

Decay = Literal["all", "weights"]
Fused = TypeVar("Fused", bound=SGD | Adam)


def sgd(
    model: nn.Module,
    *,
    lr: PositiveFloat = 0.1,
    momentum: Fraction = 0.9,
    nesterov: bool = True,
    weight_decay: NonNegativeFloat = 5e-4,
    decay: Decay = "all",
) -> SGD:
    """Stochastic gradient descent with momentum (Sutskever et al. 2013).

    Raises:
        ConfigError: Nesterov's momentum without momentum.
    """
    if nesterov and momentum == 0:
        raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0")
    groups = parameter_groups(model.parameters(), weight_decay, decay)
    return _clippable(SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True))


def adam(
    model: nn.Module,
    *,
    lr: PositiveFloat = 1e-3,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    eps: PositiveFloat = 1e-8,
    weight_decay: NonNegativeFloat = 0.0,
    decay: Decay = "all",
) -> Adam:
    """Adam (Kingma and Ba 2015); weight decay is part of the gradient."""
    groups = parameter_groups(model.parameters(), weight_decay, decay)
    return _clippable(Adam(groups, lr=lr, betas=(betas[0], betas[1]), eps=eps, fused=True))


def adamw(
    model: nn.Module,
    *,
    lr: PositiveFloat = 1e-3,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    eps: PositiveFloat = 1e-8,
    weight_decay: NonNegativeFloat = 0.01,
    decay: Decay = "all",
) -> AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    groups = parameter_groups(model.parameters(), weight_decay, decay)
    return _clippable(AdamW(groups, lr=lr, betas=(betas[0], betas[1]), eps=eps, fused=True))


def rmsprop(
    model: nn.Module,
    *,
    lr: PositiveFloat = 1e-3,
    alpha: Fraction = 0.9,
    eps: PositiveFloat = 1e-7,
    momentum: Fraction = 0.0,
    weight_decay: NonNegativeFloat = 0.0,
    decay: Decay = "all",
) -> RMSprop:
    """RMSProp (Tieleman and Hinton 2012) with Keras' constants.

    ``eps`` is added to the root as torch does; Keras adds it under the root.
    """
    groups = parameter_groups(model.parameters(), weight_decay, decay)
    return RMSprop(groups, lr=lr, alpha=alpha, eps=eps, momentum=momentum)


def adagrad(
    model: nn.Module,
    *,
    lr: PositiveFloat = 0.01,
    initial_accumulator: NonNegativeFloat = 0.0,
    eps: PositiveFloat = 1e-10,
    weight_decay: NonNegativeFloat = 0.0,
    decay: Decay = "all",
) -> Adagrad:
    """AdaGrad (Duchi et al. 2011)."""
    groups = parameter_groups(model.parameters(), weight_decay, decay)
    return Adagrad(groups, lr=lr, initial_accumulator_value=initial_accumulator, eps=eps)


def adadelta(
    model: nn.Module,
    *,
    lr: PositiveFloat = 1.0,
    rho: Fraction = 0.95,
    eps: PositiveFloat = 1e-7,
    weight_decay: NonNegativeFloat = 0.0,
    decay: Decay = "all",
) -> Adadelta:
    """AdaDelta (Zeiler 2012) with the constants Keras had while its rate was 1."""
    groups = parameter_groups(model.parameters(), weight_decay, decay)
    return Adadelta(groups, lr=lr, rho=rho, eps=eps)


def muon(
    model: nn.Module,
    *,
    lr: PositiveFloat = 0.02,
    other_lr: PositiveFloat = 0.03,
    momentum: Fraction = 0.95,
    steps: PositiveInt = 5,
    weight_decay: NonNegativeFloat = 0.0,
    decay: Decay = "all",
) -> Muon:
    """Muon (Jordan et al. 2024) for matrices and filters, Nesterov SGD for all else.

    "All else" is every parameter of fewer than two dimensions (biases, norms) and the model's last
    matrix, the classifier's head; the first layer is orthogonalised too, as in airbench94.

    Args:
        model: its parameters are in order of depth.
        lr: of the orthogonalised steps.
        other_lr: of all else.
        momentum: of both.
        steps: Newton–Schulz iterations.
        weight_decay: decoupled.
        decay: what is decayed.
    """
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    hidden = {id(parameter) for parameter in matrices[:-1]}
    inner = [parameter for parameter in model.parameters() if id(parameter) in hidden]
    outer = [parameter for parameter in model.parameters() if id(parameter) not in hidden]
    groups = [
        *parameter_groups(inner, weight_decay, decay),
        *parameter_groups(outer, weight_decay, decay, lr=other_lr, orthogonal=False),
    ]
    return Muon(groups, lr=lr, momentum=momentum, steps=steps)


def parameter_groups(
    parameters: Iterable[nn.Parameter], weight_decay: float, decay: Decay, **options: Any
) -> list[dict[str, Any]]:
    """Split trainable parameters into those that are decayed and those that are not.

    Args:
        parameters: those without gradients are left out.
        weight_decay: of the decayed ones.
        decay: ``weights`` spares parameters of fewer than two dimensions: biases and norms.
        options: of every group.

    Returns:
        One group or two, none empty.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    decayed = [parameter for parameter in trainable if decay == "all" or parameter.ndim >= 2]
    spared = [parameter for parameter in trainable if decay == "weights" and parameter.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": weight_decay, **options},
        {"params": spared, "weight_decay": 0.0, **options},
    ]
    return [group for group in groups if group["params"]]


def _clippable(optimizer: Fused) -> Fused:
    """Let Lightning clip a fused optimizer's gradients under mixed precision.

    A fused optimizer would unscale float16 gradients inside its step, and Lightning refuses to clip
    before that, even in bfloat16, where nothing is scaled. Without the flag the scaler unscales
    first, as for any other optimizer.
    """
    optimizer._step_supports_amp_scaling = False
    return optimizer
