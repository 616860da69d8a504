"""Muon: momentum whose matrices are orthogonalised (Jordan et al. 2024, "Muon")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: steepest at zero for few steps


class Muon(Optimizer):
    """Nesterov momentum; groups marked ``orthogonal`` step by its nearest semi-orthogonal matrix.

    A filter bank ``(out, in, kh, kw)`` counts as the matrix ``(out, in·kh·kw)``. An orthogonalised
    step is scaled by ``sqrt(max(1, rows / columns))``. All other groups are plain SGD with
    Nesterov momentum, as in airbench94. Weight decay is decoupled in both.

    Args:
        params: parameters, or groups of them.
        lr: step size.
        momentum: of the running sum of gradients.
        weight_decay: each step first multiplies by ``1 - lr · weight_decay``.
        orthogonal: whether a group's steps are orthogonalised.
        steps: Newton–Schulz iterations.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        orthogonal: bool = True,
        steps: int = 5,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "orthogonal": orthogonal,
            "steps": steps,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient; return what ``closure`` returns."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        update = gradient.add(buffer, alpha=group["momentum"])
        if group["orthogonal"]:
            update = orthogonalize(update.flatten(1), group["steps"]).view_as(parameter)
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return roughly the nearest semi-orthogonal matrix, times ``sqrt(max(1, rows / columns))``.

    Newton–Schulz iterations of a quintic polynomial push every singular value to about 0.7–1.2.
    bfloat16 on accelerators, float32 on a CPU.

    Args:
        matrix: ``(rows, columns)``.
        steps: iterations; five in the source, three in airbench94.
    """
    a, b, c = _QUINTIC
    rows, columns = matrix.shape
    x = matrix.float() if matrix.device.type == "cpu" else matrix.bfloat16()
    if rows > columns:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    if rows > columns:
        x = x.T
    return x.to(matrix.dtype) * max(1.0, rows / columns) ** 0.5
