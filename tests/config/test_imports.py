"""Imports while nothing is collected."""

from __future__ import annotations

import gc

from fovea.config.imports import quick_imports


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
