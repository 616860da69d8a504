"""What fovea may write and delete of a run's folder: what it made there, never through a link.

A folder is a run's by its name (a run id, below ``runs``) and by its content (a summary that names
that id, or nothing but what a record consists of). Of such a folder only the record's own entries
are deleted, and the pictures that its summary names: a file of the user's in it stays.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fovea.config.errors import RecordError
from fovea.config.files import read_json
from fovea.config.renamed import EARLIER_PICTURES

RUNS = "runs"
RERUNS = ".rerun"  # below RUNS: runs that are trained again, until they are finished
REPLACED = ".replaced"  # below RUNS: the records whose place they take, for a moment

_ID = re.compile(r"[0-9a-f]{12}")
_ENTRIES = (
    "config.yaml",
    "summary.json",
    "data.json",
    "environment.json",
    "uncommitted.diff",
    "history.csv",
    "predictions.parquet",
    "curves.png",
    "train.log",
    "checkpoints",
    "predictions",
    "wandb",
    "loggers",
    "tensorboard",  # of earlier versions, as what follows
    "csv",
    ".hydra",
)
_PICTURE = re.compile(r"\w[\w.-]*\.png")
_UNFINISHED = re.compile(r"\.(.+)\.\w+")  # by atomic_stream


def is_record(folder: Path) -> bool:
    """Whether a folder is a run's by its name, and its summary names the same run."""
    return _ID.fullmatch(folder.name) is not None and _named_in(folder) == folder.name


def require_own(folder: Path) -> None:
    """Make sure that a run may be recorded in a folder.

    Raises:
        RecordError: it, or an entry that a record has, is a link, or it holds something else than
            the record of the run that it is named for.
    """
    hidden = folder.parent.name in (RERUNS, REPLACED)
    for path in (*([folder.parent] if hidden else []), folder):
        require_no_link(path)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RecordError(f"{folder}: a file where a run's folder would be; move it away")
    for path in _entries(folder):
        require_no_link(path)
    foreign = next(foreign_entries(folder), None)
    if foreign is not None and _named_in(folder) != folder.name:
        raise RecordError(
            f"{folder}: not this run's record (it holds '{foreign.name}'); move it away, or set "
            "outputs to another folder"
        )


def require_no_link(path: Path) -> None:
    """Raise a RecordError where a path is a symbolic link."""
    if path.is_symlink():
        raise RecordError(
            f"{path}: a symbolic link, through which fovea neither writes nor deletes; remove it"
        )


def foreign_entries(folder: Path) -> Iterator[Path]:
    """Yield what fovea did not make in a run's folder."""
    own = _own(folder)
    return (path for path in sorted(folder.iterdir()) if not _is_entry(path.name, own))


def delete_entries(folder: Path, *, only: Collection[str] = (), keep: Collection[str] = ()) -> None:
    """Delete what fovea made in a run's folder, or ``only`` some of it.

    Args:
        folder: of the run.
        only: names of entries, or ``ENTRY/NAME``; none is all.
        keep: names of entries that stay.

    Raises:
        RecordError: the folder is not a run's, or there is a link; nothing is deleted then.
    """
    entries = _entries(folder)
    found = [path for path in entries if path.name not in keep]
    if only:
        wanted = [folder / each for each in only]
        found = [path for path in wanted if path.exists() and {path, path.parent} & {*entries}]
    if not found:
        return
    parents = (folder.parent, folder.parent.parent)
    below = parents[1] if parents[0].name in (RERUNS, REPLACED) else parents[0]
    if not _ID.fullmatch(folder.name) or below.name != RUNS:
        raise RecordError(f"{folder}: not the folder of a run; nothing in it is deleted")
    require_own(folder)
    # The summary last: it says whose the folder is, and which pictures are the record's.
    for path in sorted(found, key=lambda path: path.name == "summary.json"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def delete_record(folder: Path) -> None:
    """Delete a run's folder; what fovea did not make in it stays, and the folder then too.

    Raises:
        RecordError: as of :func:`delete_entries`.
    """
    delete_entries(folder)
    with suppress(OSError):
        folder.rmdir()


def _entries(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    own = _own(folder)
    return [path for path in sorted(folder.iterdir()) if _is_entry(path.name, own)]


def _is_entry(name: str, own: set[str]) -> bool:
    unfinished = _UNFINISHED.fullmatch(name)
    return name in own or (unfinished is not None and unfinished[1] in own)


def _own(folder: Path) -> set[str]:
    """Return the names of what the record in a folder may consist of."""
    pictures = _summary(folder).get("pictures", EARLIER_PICTURES)
    named = pictures if isinstance(pictures, list | tuple) else ()
    return {*_ENTRIES, *(each for each in named if _is_picture(each))}


def _is_picture(name: Any) -> bool:
    return isinstance(name, str) and _PICTURE.fullmatch(name) is not None


def _named_in(folder: Path) -> str | None:
    """Return the run that a folder's summary names."""
    return _summary(folder).get("id")


def _summary(folder: Path) -> dict[str, Any]:
    """Return a folder's summary; empty where there is none that can be read."""
    file = folder / "summary.json"
    try:
        summary = None if file.is_symlink() else read_json(file, RecordError)
    except (FileNotFoundError, RecordError):
        return {}
    return summary if isinstance(summary, dict) else {}
