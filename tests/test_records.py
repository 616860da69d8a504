"""Run records: round trips, atomic writes, damage, and finding a run again."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fovea.config.errors import RecordError
from fovea.records import RunFolder, all_runs, find_run, run_folder, write_atomic
from fovea.records.history import from_one


def recorded(outputs: Path, run_id: str, **summary: object) -> RunFolder:
    """Leave the record of a run."""
    run = run_folder(outputs, run_id)
    run.write("summary.json", {"id": run_id, "status": "finished", "metrics": {}, **summary})
    return run


def test_a_record_is_read_as_it_was_written(outputs: Path) -> None:
    run = recorded(outputs, "0123456789ab", metrics={"test/accuracy": 0.1 + 0.2}, name="né")
    run.write("config.yaml", {"seed": 3, "lr": 1e-08, "name": "né", "sizes": [1, 2], "none": None})
    assert run.path == outputs / "runs" / "0123456789ab"
    assert run.id == "0123456789ab"
    assert run.status == "finished"
    assert run.metrics == {"test/accuracy": 0.1 + 0.2}
    assert run.summary["name"] == "né"
    assert run.config == {"seed": 3, "lr": 1e-08, "name": "né", "sizes": [1, 2], "none": None}


def test_a_run_that_never_began_has_nothing(outputs: Path) -> None:
    run = run_folder(outputs, "0123456789ab")
    assert (run.summary, run.status, run.metrics, run.history()) == ({}, None, {}, [])
    assert not outputs.exists()


def test_history_keeps_every_column_and_digit(outputs: Path) -> None:
    run = run_folder(outputs, "0123456789ab")
    rows = [{"epoch": 1.0, "train/loss": 1 / 3}, {"epoch": 2.0, "train/loss": 0.1, "lr": 1e-08}]
    run.write_history(rows)
    assert run.history() == rows


def test_threads_that_a_record_asks_for_are_a_number(outputs: Path) -> None:
    run = run_folder(outputs, "0123456789ab")
    run.write("config.yaml", {"trainer": {"threads": 10**9, "devices": 1}})
    with pytest.raises(RecordError, match=r"config\.yaml: trainer\.threads: should be less than"):
        _ = run.config


def test_a_history_of_an_earlier_version_is_read_as_counted_from_1(outputs: Path) -> None:
    run = run_folder(outputs, "0123456789ab")
    run.write_history([{"epoch": 0, "step": 5}, {"epoch": 1, "step": 10}])
    assert run.history() == [{"epoch": 1, "step": 5}, {"epoch": 2, "step": 10}]
    assert from_one(run.history()) == run.history()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"status": "fin', ":1: not JSON (unterminated string)"),
        ("", ":1: not JSON (expecting value)"),
        ("[1, 2]", ": not an object"),
        ("[" * 100_000, ": lists and mappings nested more than 50 levels deep"),
    ],
)
def test_a_damaged_summary_is_named(outputs: Path, content: str, reason: str) -> None:
    run = recorded(outputs, "0123456789ab")
    (run.path / "summary.json").write_text(content)
    with pytest.raises(RecordError) as damage:
        _ = run.summary
    assert run.status == "damaged"
    file = run.path / "summary.json"
    assert str(damage.value) == f"{file}{reason}; train it again with rerun=true"


TENS = ("ab", "bc", "cd", "de")
BOMB = "".join(f"- &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in TENS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, ": missing"),
        ("a: [", ":1: not YAML (did not find expected node content)"),
        ("just text", ": not a config"),
        (f"- &a {list(range(10))}\n{BOMB}", ":4: aliases stand for more than 10,000 values"),
        ("seed: !!python/name:os.system", ":1: tag tag:yaml.org,2002:python/name:os.system: tags"),
    ],
)
def test_a_damaged_config_is_named(outputs: Path, content: str | None, reason: str) -> None:
    run = recorded(outputs, "0123456789ab")
    if content is not None:
        (run.path / "config.yaml").write_text(content)
    with pytest.raises(RecordError) as damage:
        _ = run.config
    assert str(damage.value).startswith(f"{run.path / 'config.yaml'}{reason}")
    assert str(damage.value).endswith("; train it again with rerun=true")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_is_replaced_whole_and_readable_as_the_user_has_it(
    tmp_path: Path, umask: int, mode: int
) -> None:
    file = tmp_path / "new" / "summary.json"
    write_atomic(file, b"old")
    before = os.umask(umask)
    try:
        write_atomic(file, b"new")
    finally:
        os.umask(before)
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    file = tmp_path / "summary.json"
    write_atomic(file, b"old")

    def fail(*_: object) -> None:
        raise error("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error):
        write_atomic(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_process_killed_before_the_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_atomic(file, b"old")
    script = (
        "import os, sys; from pathlib import Path; from fovea.records import write_atomic;"
        "Path.replace = lambda *_: os._exit(9);"
        "write_atomic(Path(sys.argv[1]), b'new' * 100000)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(file)], check=False)
    assert killed.returncode == 9
    assert file.read_bytes() == b"old"
    write_atomic(file, b"newer")  # what the killed process left lying is not in the way
    assert file.read_bytes() == b"newer"


def test_all_runs_are_listed_by_id(outputs: Path) -> None:
    assert all_runs(outputs) == []
    for name in ("ffff00000000", "0000ffff0000"):
        recorded(outputs, name)
    (outputs / "runs" / "empty").mkdir()
    assert [run.id for run in all_runs(outputs)] == ["0000ffff0000", "ffff00000000"]


def test_a_run_is_found_by_id_prefix_or_folder(outputs: Path) -> None:
    run = recorded(outputs, "abc123000000")
    recorded(outputs, "abd456000000")
    assert find_run(outputs, "abc123000000") == run
    assert find_run(outputs, "abc") == run
    assert find_run(outputs / "elsewhere", str(run.path)) == run


def test_a_run_that_cannot_be_told_is_refused(outputs: Path) -> None:
    for name in ("abc123000000", "abd456000000"):
        recorded(outputs, name)
    with pytest.raises(RecordError) as ambiguous:
        find_run(outputs, "ab")
    assert str(ambiguous.value) == (
        "'ab' is the start of 2 run ids (abc123000000, abd456000000); add digits"
    )
    with pytest.raises(RecordError) as missing:
        find_run(outputs, "abc132000000")
    assert str(missing.value) == (
        f"no run 'abc132000000' in {outputs / 'runs'}; did you mean 'abc123000000'?"
    )
    with pytest.raises(RecordError, match=r"; see: fovea runs$"):
        find_run(outputs, "zzz")


def test_what_json_has_no_number_for_is_null(outputs: Path) -> None:
    run = recorded(outputs, "0123456789ab")
    run.write("summary.json", {"metrics": {"loss": float("nan")}, "rates": [float("inf"), 1.5]})
    assert json.loads((run.path / "summary.json").read_text()) == {
        "metrics": {"loss": None},
        "rates": [None, 1.5],
    }


@pytest.mark.parametrize("content", ["epoch\nab", "epoch\n1,2", f"epoch\n{'1' * 200_000}"])
def test_a_damaged_history_is_named(outputs: Path, content: str) -> None:
    run = recorded(outputs, "0123456789ab")
    (run.path / "history.csv").write_text(content)
    with pytest.raises(RecordError, match=r"history\.csv: damaged .* train it again"):
        run.history()
