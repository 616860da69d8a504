"""Packages that are as if not installed, and imports while nothing is collected."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import pytest

from fovea.config.imports import quick_imports, without_packages


def test_a_package_is_absent_within_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorboard", raising=False)
    finders = list(sys.meta_path)
    with without_packages("tensorboard"):
        with pytest.raises(ModuleNotFoundError, match="No module named 'tensorboard'"):
            import_module("tensorboard")
        with pytest.raises(PackageNotFoundError):
            version("tensorboard")
        assert find_spec("json")
        assert version("numpy")
    assert find_spec("tensorboard")
    assert version("tensorboard")
    assert sys.meta_path == finders


def test_nothing_is_collected_within_only() -> None:
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_garbage_collection_stays_off_where_it_was() -> None:
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
