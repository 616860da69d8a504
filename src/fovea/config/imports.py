"""Imports without garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
        if not gc.get_freeze_count():  # else a worker's: it would look through them again
            gc.freeze()
            gc.unfreeze()  # into the oldest generation at once, which is seldom gone through
        if enabled:
            gc.enable()
