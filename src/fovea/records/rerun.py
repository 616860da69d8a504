"""A recorded run trained again, beside its record, which it replaces when it is finished."""

from __future__ import annotations

from pathlib import Path

from fovea.records.deleting import REPLACED, delete_record, foreign_entries, require_own
from fovea.records.folder import RunFolder


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
