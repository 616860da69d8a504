"""Offline W&B runs, uploaded: what W&B's own ``wandb sync`` does, run by run and repeatable.

W&B leaves ``NAME.wandb.synced`` beside a file it has uploaded. It waits without end for a network,
so the account is asked first, and each upload has a limit. It also obeys ``wandb/settings`` of the
folder it is started in, which may name another server to send the key to: it is started in an empty
one, and server and account are those of the user's environment and home. What is uploaded may be
another person's, so that no link in it is followed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fovea.config.errors import ConfigError
from fovea.records import RunFolder

WANDB: tuple[str, ...] = (sys.executable, "-P", "-m", "wandb")
_ACCOUNT_SECONDS = 60
_UPLOAD_SECONDS = 900

UploadOutcome = Literal["uploaded", "unchanged", "left out", "failed"]


@dataclass(frozen=True)
class Upload:
    """What became of a run, and why."""

    run: RunFolder
    outcome: UploadOutcome
    reason: str = ""


def upload(runs: Sequence[RunFolder], parallel: int) -> Iterator[Upload]:
    """Upload what is new of ended runs, several at a time; yield each as it is done.

    Raises:
        ConfigError: there is something to upload, and no account or no network.
    """
    changed: list[tuple[RunFolder, list[Path]]] = []
    for run in runs:
        files = sorted(run.path.glob("wandb/offline-run-*/*.wandb"))
        if run.status == "running":
            yield Upload(run, "left out", "still running")
        elif run.status == "damaged":
            yield Upload(run, "left out", "its record is damaged")
        elif not files:
            yield Upload(run, "left out", "it has no offline W&B run")
        elif link := _link(run, files):
            yield Upload(run, "failed", f"{link} is a link: it may lead out of the run")
        elif new := [file for file in files if not _is_uploaded(file)]:
            changed.append((run, new))
        else:
            yield Upload(run, "unchanged", "uploaded before")
    if not changed:
        return
    _require_account()
    pool = ThreadPoolExecutor(parallel)
    try:
        for done in as_completed(pool.submit(_upload, run, files) for run, files in changed):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _upload(run: RunFolder, files: Sequence[Path]) -> Upload:
    folders = [str(file.parent.resolve()) for file in files]
    for file in files:
        _marker(file).unlink(missing_ok=True)
    try:
        done = _wandb("sync", "--include-synced", *folders, limit=_UPLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        return Upload(run, "failed", f"no end after {_UPLOAD_SECONDS} s")
    if all(_marker(file).is_file() for file in files):
        return Upload(run, "uploaded")
    return Upload(run, "failed", _last_line(done.stderr) or "not marked as uploaded")


def _link(run: RunFolder, files: Sequence[Path]) -> Path | None:
    """Return a link on the way from a run's folder to what would be uploaded, or among that.

    W&B itself makes links between the logs, which are not uploaded.
    """
    folders = [file.parent for file in files]
    for path in [run.path, run.path / "wandb", *folders, *(folder / "files" for folder in folders)]:
        if path.is_symlink():
            return path
    uploaded = [*files, *(each for folder in folders for each in (folder / "files").rglob("*"))]
    return next((each for each in uploaded if each.is_symlink()), None)


def _is_uploaded(file: Path) -> bool:
    marker = _marker(file)
    return marker.is_file() and marker.stat().st_mtime_ns >= file.stat().st_mtime_ns


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.synced")


def _require_account() -> None:
    try:
        done = _wandb("login", "--verify", limit=_ACCOUNT_SECONDS)
    except subprocess.TimeoutExpired:
        reason = f"no answer in {_ACCOUNT_SECONDS} s"
    else:
        if done.returncode == 0:
            return
        reason = _last_line(done.stderr)
    raise ConfigError(f"W&B: {reason}; an upload needs a network and an account (wandb login)")


def _wandb(*arguments: str, limit: float) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(
            [*WANDB, *arguments],
            cwd=empty,
            stdin=subprocess.DEVNULL,  # it would ask for a key
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
            check=False,
        )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ").rstrip(".") if lines else ""
