"""A recorded run trained again, beside its record, which it replaces when it is finished."""

from __future__ import annotations

import shutil
from pathlib import Path

from fovea.config.regular import open_regular
from fovea.records.atomic import atomic_stream
from fovea.records.deleting import (
    REPLACED,
    delete_record,
    foreign_entries,
    require_own,
)
from fovea.records.folder import RunFolder

_RESUMED_FROM = (
    "data.json",
    "environment.json",
    "train.log",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
)


def carry_over(run: RunFolder) -> None:
    """Copy what a damaged record can be resumed from to its rerun, if that is not begun.

    Raises:
        RecordError: a folder is not a run's, or there is a symbolic link.
    """
    for folder in (run.path, run.rerun.path):
        require_own(folder)
    if (run.rerun.path / "summary.json").exists():
        return
    for name in _RESUMED_FROM:
        file = run.path / name
        if file.is_file() and not file.is_symlink():
            with open_regular(file) as source, atomic_stream(run.rerun.path / name) as copy:
                shutil.copyfileobj(source, copy)


def replace_by_rerun(run: RunFolder) -> bool:
    """Put a finished rerun in a record's place; what fovea did not make there stays.

    Killed at any moment, it is completed by the next call.

    Returns:
        Whether there was one.

    Raises:
        RecordError: a folder is not a run's, or there is a symbolic link.
    """
    rerun, replaced = run.rerun.path, run.path.parent / REPLACED / run.id
    for folder in (run.path, rerun, replaced):
        require_own(folder)
    if run.rerun.status != "finished":
        return False
    if run.path.exists():
        _inherit(run.path, replaced)
        replaced.parent.mkdir(exist_ok=True)
        run.path.rename(replaced)
    rerun.rename(run.path)
    _inherit(run.path, replaced)
    return True


def _inherit(folder: Path, replaced: Path) -> None:
    """Delete a replaced record but for what fovea did not make, which is moved to the folder."""
    if not replaced.is_dir():
        return
    for path in foreign_entries(replaced):
        if not (folder / path.name).exists():
            path.rename(folder / path.name)
    delete_record(replaced)
