"""Runs found again: all that are recorded, or the one that is meant."""

from __future__ import annotations

from pathlib import Path

from fovea.config.errors import RecordError, did_you_mean
from fovea.records.deleting import is_record
from fovea.records.folder import RunFolder


def run_folder(outputs: Path, run_id: str) -> RunFolder:
    """Return the folder of a run, whether or not it exists yet."""
    return RunFolder(outputs / "runs" / run_id)


def all_runs(outputs: Path) -> list[RunFolder]:
    """Return every recorded run, by id, damaged or not; symbolic links are stepped over."""
    kept = ("summary.json", "data.json")  # one of them may be gone
    found = {file.parent for name in kept for file in (outputs / "runs").glob(f"*/{name}")}
    return [RunFolder(path) for path in sorted(found) if not path.is_symlink()]


def find_run(outputs: Path, reference: str) -> RunFolder:
    """Return the run that a folder's path, an id or the start of an id names.

    Raises:
        RecordError: there is none, or more than one, or the folder is not a run's.
    """
    if (Path(reference) / "summary.json").is_file():
        folder = Path(reference).resolve()
        if not is_record(folder):
            raise RecordError(f"{folder}: not the record of a run (its name is not its run's id)")
        return RunFolder(folder)
    known = [run.id for run in all_runs(outputs)]
    matches = [each for each in known if each.startswith(reference)]
    if len(matches) == 1:
        return run_folder(outputs, matches[0])
    if matches:
        ids = ", ".join(matches[:5])
        raise RecordError(
            f"'{reference}' is the start of {len(matches)} run ids ({ids}); add digits"
        )
    near = did_you_mean(reference, known)
    raise RecordError(f"no run '{reference}' in {outputs / 'runs'}{near or '; see: fovea runs'}")
