"""The run record: plain files under ``outputs/runs/<run id>/``, the source of every table."""

from fovea.records.atomic import atomic_stream, write_atomic
from fovea.records.finding import all_runs, find_run, run_folder
from fovea.records.folder import RunFolder, Status
from fovea.records.rerun import carry_over, replace_by_rerun

__all__ = [
    "RunFolder",
    "Status",
    "all_runs",
    "atomic_stream",
    "carry_over",
    "find_run",
    "replace_by_rerun",
    "run_folder",
    "write_atomic",
]
