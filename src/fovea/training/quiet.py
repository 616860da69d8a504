"""Silence for what Lightning says of every local run, and for nothing else."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_TALKATIVE = (
    "pytorch_lightning",
    "lightning.pytorch",
    "torch.utils.cpp_extension",  # that CUDA is installed and there is no GPU, when compiling
)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within it, their notices and four of Lightning's warnings are not printed."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*`dataloader_iter`")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")
        warnings.filterwarnings("ignore", message="Total length of `list` across ranks is zero")
        warnings.filterwarnings("ignore", message="You're resuming from .* not resumable")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
