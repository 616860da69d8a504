"""Whether a run trains through ``torch.compile``, measured once on each machine; and how it does.

Some networks are faster compiled and others slower, and compilers have got gradients wrong: a trial
finds out. What it found is kept on disk, so that the next seed does not pay for it again; it may be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from fovea.config import paths
from fovea.config.code import code_of
from fovea.config.errors import ConfigError
from fovea.data.loaders import Finish
from fovea.records import write_atomic
from fovea.tasks.base import Task
from fovea.tracking.environment import processor
from fovea.training.assemble import Lab

log = logging.getLogger(__name__)

Network = Callable[[Tensor], Tensor]

# Compiling takes up to a minute on a CPU and has saved at most a fifth of the time: of ten minutes,
# twice what it costs. (Gradients are checked, compiled once more, in the first such run only.)
_LONG_SECONDS = 600.0
_FEWEST_STEPS = 500  # a trial's own steps are at most 4 % of these
_WARM_UP = 3  # steps; on a GPU the second or third records the CUDA graph
_ROUNDS = 5
_TOLERANCE = 0.01  # of a gradient's norm: well above what full precision rounds
_CODE = ("fovea.models", "fovea.layers", "fovea.losses")  # what is compiled


@dataclass(frozen=True)
class Timing:
    """What a trial measured.

    Args:
        eager_ms, compiled_ms: median of a training step, forward and backward.
        compile_seconds: what the first compiled step took.
        fault: the gradient that is wrong in the compiled step; empty where none is, or the step is
            not the faster one.
    """

    eager_ms: float
    compiled_ms: float
    compile_seconds: float
    fault: str = ""

    def __str__(self) -> str:
        return (
            f"{self.eager_ms:.1f} ms a step eager, {self.compiled_ms:.1f} ms compiled, "
            f"{self.compile_seconds:.0f} s to compile"
        )


@dataclass(frozen=True)
class Choice:
    """Whether a run trains compiled, and why."""

    compile: bool
    reason: str


def choose(config: Mapping[str, Any], lab: Lab) -> Choice:
    """Decide what ``trainer.compile`` means for a run; where it is ``auto``, by a trial.

    The trial trains a copy of the network on random images: weights, buffers, gradients and random
    states stay as they are. ``auto`` is eager, and nothing is compiled, for a run of less than ten
    minutes, on several devices, and where ``deterministic`` numbers may not hang on a stopwatch.

    Args:
        config: the resolved config.
        lab: what it was assembled to; torch's thread count is already the run's.

    Raises:
        ConfigError: compiling is asked for, and this machine has no compiler.
    """
    settings = lab.settings
    if not settings.compile:
        return Choice(False, "as asked")
    if settings.compile != "auto":
        require_compiler(_trainer(lab).strategy.root_device)
        return Choice(True, "as asked")
    try:
        choice = _choose_by_trial(config, lab)
    except Exception as error:  # whatever Inductor, the compilers it starts and the device raise
        choice = Choice(False, f"cannot compile: {(str(error).splitlines() or [repr(error)])[0]}")
        log.warning("trains eager: %s", choice.reason)
    else:
        log.info("trains %s: %s", "compiled" if choice.compile else "eager", choice.reason)
    return choice


class CompiledTraining(Callback):
    """Trains full batches through the compiled network, whose modules and state dict stay the same.

    A last, smaller batch and evaluation stay eager: each would be compiled anew, for about as long
    as the first, and they are a small share of a run.

    Args:
        batch_size: of a full batch.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        model = cast("Task", pl_module).model
        eager, compiled = model.forward, _compiled(model, pl_module.device)

        def forward(images: Tensor) -> Tensor:
            full = model.training and len(images) == self._batch_size
            return (compiled if full else eager)(images)

        model.forward = forward

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del cast("Task", pl_module).model.forward
        torch.compiler.reset()  # Dynamo gives up on code it has compiled for eight networks


def _choose_by_trial(config: Mapping[str, Any], lab: Lab) -> Choice:
    if lab.settings.devices > 1:
        return Choice(False, "auto compiles on one device only")
    if lab.settings.deterministic:
        return Choice(False, "auto and deterministic exclude each other")
    batches = -(-lab.data.sizes["train"] // lab.data.batch_size)
    steps = config["epochs"] * min(batches, lab.settings.limit_batches or batches)
    if steps < _FEWEST_STEPS:
        return Choice(False, f"{steps} steps are too few to try it")
    trainer = _trainer(lab)
    device = trainer.strategy.root_device
    key = _key(config, lab, device)
    entry = paths.timings() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    timing = _recall(entry)
    if timing is None:
        with _aside(device):
            trial = _Trial(lab, trainer)
            seconds = steps * min(trial.step() for _ in range(_WARM_UP))
            if seconds < _LONG_SECONDS:
                return Choice(False, _too_short(seconds))
            require_compiler(device)
            timing = trial.timing()
        _remember(entry, key, timing)
    require_compiler(device)
    choice = _judge(timing, steps)
    if not choice.compile:
        torch.compiler.reset()
    return choice


def _judge(timing: Timing, steps: int) -> Choice:
    """Decide by what was measured alone, so that all seeds of a cell are trained alike."""
    seconds = steps * timing.eager_ms / 1000
    if seconds < _LONG_SECONDS:
        return Choice(False, _too_short(seconds))
    if timing.fault:
        return Choice(False, timing.fault)
    saved = steps * (timing.eager_ms - timing.compiled_ms) / 1000
    return Choice(saved > timing.compile_seconds, str(timing))


def _too_short(seconds: float) -> str:
    return f"{seconds:.0f} s of training are too few to compile for"


class _Trial:
    """Training steps of a copy of a run's network, as the run's trainer would take them."""

    def __init__(self, lab: Lab, trainer: Trainer) -> None:
        self._device, self._precision = trainer.strategy.root_device, trainer.precision_plugin
        self._loss = deepcopy(lab.task.loss).to(self._device)
        model = deepcopy(lab.task.model).train().to(self._device)
        self._model = self._precision.convert_module(model)
        images = _random_images(lab, self._device)
        self._images = self._precision.convert_input(images)
        classes = len(lab.task.classes)
        self._labels = torch.randint(classes, (len(images),), device=self._device)

    def step(self, forward: Network | None = None) -> float:
        """Take a step, through ``forward`` or else eager, and return its seconds."""
        started = time.perf_counter()
        self._backward(forward or self._model, self._precision.forward_context())
        self._model.zero_grad()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - started

    def timing(self) -> Timing:
        """Time eager and compiled steps in turn; the run then uses what was compiled here."""
        compiled = _compiled(self._model, self._device)
        compile_seconds = self.step(compiled)
        for _ in range(_WARM_UP):
            self.step(compiled)
        turns = [(self.step(), self.step(compiled)) for _ in range(_ROUNDS)]
        eager_ms, compiled_ms = (
            round(1000 * median(times), 3) for times in zip(*turns, strict=True)
        )
        fault = self._fault(compiled) if compiled_ms < eager_ms else ""
        return Timing(eager_ms, compiled_ms, round(compile_seconds, 1), fault)

    def _fault(self, compiled: Network) -> str:
        """Name a gradient that compiling gets wrong.

        Both are computed in full precision, for which it is compiled again: the rounding of
        bfloat16 would hide errors. Dropout and the like, which draw other numbers compiled, are
        off; batch norm is as in training.
        """
        for module in self._model.modules():
            module.train(hasattr(module, "running_mean"))
        eager, own = self._gradients(self._model), self._gradients(compiled)
        whole = torch.stack([gradient.norm() for gradient in eager.values()]).norm()
        for name, gradient in eager.items():
            off = (own[name] - gradient).norm()
            # the second term: some are nought but for rounding, as a bias's before batch norm
            if not off <= _TOLERANCE * gradient.norm() + 1e-4 * whole:
                return f"compiled, the gradient of {name} is {off / gradient.norm():.1%} off"
        return ""

    def _gradients(self, forward: Network) -> dict[str, Tensor]:
        self._backward(forward, nullcontext())
        named = self._model.named_parameters()
        gradients = {name: each.grad.clone() for name, each in named if each.grad is not None}
        self._model.zero_grad()
        return gradients

    def _backward(self, forward: Network, precision: AbstractContextManager[None]) -> None:
        with precision:
            loss = self._loss(forward(self._images), self._labels)
        loss.backward()


@contextmanager
def _aside(device: torch.device) -> Iterator[None]:
    """Leave random states and the GPU's record of memory to the run."""
    gpu = device.type == "cuda"
    try:
        with torch.random.fork_rng([device] if gpu else []):
            yield
    finally:
        if gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)


def _compiled(model: nn.Module, device: torch.device) -> Network:
    # Else Inductor keeps processes that outlive an interrupt and tell their tracebacks.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    mode = "reduce-overhead" if device.type == "cuda" else "default"  # there with CUDA graphs
    return torch.compile(model.forward, dynamic=False, mode=mode)


def require_compiler(device: torch.device) -> None:
    """Raise ConfigError where this machine lacks what Inductor calls for a device."""
    if device.type == "cuda" and find_spec("triton") is None:
        raise ConfigError(
            "trainer.compile: Triton is not installed; install it, or set it to false"
        )
    variable, usual = ("CC", "gcc clang") if device.type == "cuda" else ("CXX", "g++")
    if sys.platform == "darwin":
        usual = "clang++"
    names = os.environ.get(variable, usual).split()
    if not any(map(shutil.which, names)):
        raise ConfigError(
            f"trainer.compile: no C++ compiler ({' or '.join(names)}); install one and name it in "
            f"${variable}, or set it to false"
        )


def _trainer(lab: Lab) -> Trainer:
    return lab.settings.single_device().trainer(epochs=1, loggers=False, callbacks=[])


def _random_images(lab: Lab, device: torch.device) -> Tensor:
    """Return noise with the very strides of a training batch, for which code is compiled."""
    batch, channels, height, width = _shape(lab)
    finish = Finish(
        [0.5] * channels,
        [0.25] * channels,
        device=device,
        augment=lab.data.augment,
        channels_last=lab.settings.channels_last,
    )
    pixels = torch.randint(256, (batch, height, width, channels), dtype=torch.uint8, device=device)
    return finish(pixels, torch.Generator(device))


def _shape(lab: Lab) -> tuple[int, int, int, int]:
    channels, size = lab.data.served
    return lab.data.batch_size, channels, size, size


def _key(config: Mapping[str, Any], lab: Lab, device: torch.device) -> str:
    """Return as JSON all that a step's time depends on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    parts = {
        "model": config["model"],
        "loss": config["loss"],
        "classes": len(lab.task.classes),
        "images": _shape(lab),
        "precision": lab.settings.resolved_precision,
        "channels_last": lab.settings.channels_last,
        "machine": [device.type, name, torch.get_num_threads()],
        "torch": torch.__version__,
        "code": {name: each for name, each in code_of(config).items() if name.startswith(_CODE)},
    }
    return json.dumps(parts, sort_keys=True)


def _recall(entry: Path) -> Timing | None:
    try:
        kept = json.loads(entry.read_bytes())
        times = (float(kept[name]) for name in ("eager_ms", "compiled_ms", "compile_seconds"))
        return Timing(*times, fault=str(kept["fault"]))
    except OSError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        log.warning("%s: damaged timings, measured anew (%s)", entry, error)
        return None


def _remember(entry: Path, key: str, timing: Timing) -> None:
    content = json.dumps({"of": json.loads(key)} | asdict(timing), indent=2) + "\n"
    try:
        write_atomic(entry, content.encode())
    except OSError as error:
        log.warning("%s: timings not kept (%s)", entry, error)
