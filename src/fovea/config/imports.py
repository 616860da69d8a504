"""Imports without what they would only wait for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder, PackageNotFoundError
from types import ModuleType


@contextmanager
def quick_imports() -> Iterator[None]:
    """Within it no garbage is collected.

    Importing torch makes a million objects that stay. Going through them over and over would be a
    fifth of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # into the oldest generation at once, which is seldom gone through
        if enabled:
            gc.enable()


@contextmanager
def without_packages(*names: str) -> Iterator[None]:
    """Within it top-level packages are as if not installed, unless imported already."""
    finder = _Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Absent(MetaPathFinder):
    """Answers for every other finder that packages are neither modules nor distributions."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self.names:
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)
        return None

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterator[Distribution]:
        if context is not None and context.name in self.names:
            raise PackageNotFoundError(context.name)
        return iter(())
