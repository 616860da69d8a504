"""Training through ``torch.compile``: what ``trainer.compile=true`` does."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from typing import cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from fovea.config.errors import ConfigError
from fovea.problems.base import Task


class CompiledTraining(Callback):
    """Compiles the network for training steps; validation and test run it eager.

    It is compiled in place (``nn.Module.compile``), so that its modules, the keys of its state dict
    and thus of checkpoints are those of an eager run. Each size of batch is compiled by itself, so
    that a resumed run executes the same code as one that was not interrupted.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Inductor's own processes would outlive an interrupt and print their tracebacks.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        mode = "reduce-overhead" if pl_module.device.type == "cuda" else "default"  # CUDA graphs
        cast("Task", pl_module).model.compile(dynamic=False, mode=mode)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.compiler.set_stance("force_eager")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.compiler.set_stance("default")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        cast("Task", pl_module).model.compile(disable=True)
        torch.compiler.set_stance("default")
        torch.compiler.reset()  # Dynamo gives up on code that it has compiled for eight networks

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self.on_train_end(trainer, pl_module)


def require_compiler(device: torch.device) -> None:
    """Check that this machine has what Inductor calls for a device.

    Raises:
        ConfigError: it has not.
    """
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
