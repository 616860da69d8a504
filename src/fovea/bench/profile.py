"""Where the time of a training step goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.profiler import profile

from fovea.config.build import build
from fovea.training.assemble import assemble
from fovea.training.process import prepare_process

# The first pattern that is in an operator's name says what it is counted as.
_KINDS = {
    "convolution_backward": "convolution, backward",
    "convolution": "convolution, forward",
    "batch_norm": "batch norm",
    "max_pool": "max-pool",
    "threshold_backward": "ReLU",
    "clamp_min": "ReLU",
    "relu": "ReLU",
    "addmm": "linear",
    "::mm": "linear",
    "random_": "dropout",
    "bernoulli": "dropout",
    "::ge": "dropout",
    "_fused": "optimizer",
    "foreach": "optimizer",
    "copy_": "casts and copies",
    "fill_": "casts and copies",
    "::add": "sums",
}
_WARM_UP = 3
_STEPS = 5


def measure_profile(config: Mapping[str, Any], threads: int) -> dict[str, float]:
    """Profile steps of a bare loop over fovea's loader, network, precision and optimizer.

    Returns:
        Milliseconds a step by kind of operator, the largest first; what takes under 1 % together
        is in ``other``.
    """
    prepare_process(threads)
    lab = assemble(config)
    lab.data.setup()
    model, loss = lab.task.model, cast("nn.Module", lab.task.loss)
    optimizer = build("optimizer", config["optimizer"], model=model)
    mixed = lab.settings.resolved_precision == "bf16-mixed"
    batches = iter(lab.data.train_dataloader())

    def steps(count: int) -> None:
        for _ in range(count):
            x, y = next(batches)
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                value = loss(model(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()

    steps(_WARM_UP)
    with profile() as recorded:
        steps(_STEPS)
    spent: dict[str, float] = {}
    for event in recorded.key_averages():
        kind = next((told for part, told in _KINDS.items() if part in event.key), "other")
        spent[kind] = spent.get(kind, 0.0) + event.self_cpu_time_total / 1000 / _STEPS
    total = sum(spent.values())
    small = {kind for kind, taken in spent.items() if taken < total / 100} | {"other"}
    shown = {kind: taken for kind, taken in spent.items() if kind not in small}
    ordered = dict(sorted(shown.items(), key=lambda item: -item[1]))
    return ordered | {"other": sum(spent[kind] for kind in small if kind in spent)}
