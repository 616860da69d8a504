"""Offline W&B runs, uploaded by a stand-in for W&B's command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fovea import cli
from fovea.records import RunFolder, run_folder
from fovea.training.tracking import sync

WANDB = sync.WANDB

# Fails for a run whose id holds "bad", and leaves no marker where it holds "lost"; writes down
# what it was asked.
STAND_IN = """
import os, sys
from pathlib import Path
asked, *arguments = sys.argv[1:]
log = Path(os.environ["STAND_IN_LOG"])
with log.open("a") as stream:
    print(asked, *(Path(each).name for each in arguments if "/" in each), file=stream)
if asked == "login":
    if os.environ.get("STAND_IN_OFFLINE"):
        print("wandb: trying\\nError: No API key configured.", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)
assert asked == "sync" and arguments[0] == "--include-synced", sys.argv
for folder in map(Path, arguments[1:]):
    (file,) = folder.glob("*.wandb")
    if "bad" in folder.name:
        print("wandb: ERROR the server\\nError: it said no", file=sys.stderr)
        sys.exit(1)
    if "lost" not in folder.name:
        file.with_name(file.name + ".synced").touch()
"""


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stand-in was asked, a line each."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(sync, "WANDB", (sys.executable, str(script)))
    monkeypatch.setenv("STAND_IN_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def recorded(
    outputs: Path, run: str, status: str = "finished", segments: tuple[str, ...] = ("1",)
) -> RunFolder:
    """Leave the record of a run with offline W&B files."""
    folder = run_folder(outputs, run)
    folder.write("summary.json", {"status": status})
    for segment in segments:
        file = folder.path / "wandb" / f"offline-run-2026010{segment}-{run}" / f"run-{run}.wandb"
        file.parent.mkdir(parents=True)
        file.touch()
    return folder


def fovea_sync(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["sync", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_every_run_is_told_of(outputs: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(outputs, "good")
    recorded(outputs, "broken", status="failed")
    recorded(outputs, "bad")
    recorded(outputs, "lost")
    busy = recorded(outputs, "busy", status="running")
    recorded(outputs, "online", segments=())
    (recorded(outputs, "cut").path / "summary.json").write_text("{")
    with busy.lock():
        assert fovea_sync("--all") == 1
    *lines, total = capsys.readouterr().out.splitlines()
    assert sorted(lines) == [
        "bad  failed: it said no",
        "broken  uploaded",
        "busy  left out: still running",
        "cut  left out: its record is damaged",
        "good  uploaded",
        "lost  failed: not marked as uploaded",
        "online  left out: it has no offline W&B run",
    ]
    assert sorted(total.split(", ")) == ["2 failed", "2 uploaded", "3 left out"]
    assert len(log.read_text().splitlines()) == 5  # the account, and four uploads


def test_it_can_be_repeated(outputs: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(outputs, "a")
    recorded(outputs, "bad")
    assert fovea_sync("--all") == 1
    log.unlink()
    assert fovea_sync("--all") == 1
    assert log.read_text().splitlines() == ["login", "sync offline-run-20260101-bad"]
    assert "a  unchanged: uploaded before" in capsys.readouterr().out
    log.unlink()
    assert fovea_sync("a") == 0
    assert not log.exists()  # nothing to upload: nobody is asked


def test_what_changed_since_is_uploaded_again(outputs: Path, log: Path) -> None:
    run = recorded(outputs, "a")
    assert fovea_sync("a") == 0
    (file,) = run.path.glob("wandb/*/*.wandb")
    os.utime(file.with_name(f"{file.name}.synced"), (0, 0))
    log.unlink()
    assert fovea_sync("a") == 0
    assert log.read_text().splitlines() == ["login", "sync offline-run-20260101-a"]


def test_the_segments_of_a_resumed_run_go_together_in_order(outputs: Path, log: Path) -> None:
    recorded(outputs, "a", segments=("3", "1", "2"))
    assert fovea_sync("a") == 0
    folders = " ".join(f"offline-run-2026010{segment}-a" for segment in "123")
    assert log.read_text().splitlines() == ["login", f"sync {folders}"]


def test_without_an_account_there_is_one_line(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STAND_IN_OFFLINE", "1")
    recorded(outputs, "a")
    assert fovea_sync("--all") == 2
    assert capsys.readouterr().err == (
        "fovea: W&B: No API key configured; "
        "an upload needs a network and an account (wandb login)\n"
    )


def test_an_upload_that_does_not_end_is_ended(
    outputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import sys, time\ntime.sleep(0 if sys.argv[1] == 'login' else 60)\n")
    monkeypatch.setattr(sync, "WANDB", (sys.executable, str(script)))
    monkeypatch.setattr(sync, "_UPLOAD_SECONDS", 0.2)
    recorded(outputs, "a")
    assert fovea_sync("a") == 1
    assert capsys.readouterr().out == "a  failed: no end after 0.2 s\n1 failed\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name runs, or give --all for every recorded run"),
        (["a", "--all"], "name runs, or give --all for every recorded run"),
        (["nosuch"], "no run 'nosuch'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    outputs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    recorded(outputs, "a")
    assert fovea_sync(*arguments) == 2
    assert told in capsys.readouterr().err


def test_wandb_has_these_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "WANDB", WANDB)
    done = sync._wandb("sync", "--help", limit=60)
    assert done.returncode == 0
    assert "--include-synced" in done.stdout
    assert "--verify" in sync._wandb("login", "--help", limit=60).stdout
