"""``fovea bench``: what it keeps, and what it refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from fovea.cli import main
from fovea.commands.bench import run
from fovea.config.errors import RecordError


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path))
    monkeypatch.setattr("fovea.bench.kernels.LAYERS", ((2, 2, 4, 3, 1),))
    return tmp_path / "bench"


bench = partial(
    run, networks=["resnet"], rounds=1, steps=1, batch_size=2, threads=None, publish=False
)


def test_parts_are_kept_with_the_machine_and_measured_anew_one_by_one(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(["kernels"])
    measured = json.loads((outputs / "bench.json").read_text())
    assert measured["kernels"]["batch_size"] == 2
    assert measured["kernels"]["machine"]["packages"]["torch"]
    told = capsys.readouterr().out
    assert "## Convolutions one by one" in told
    assert (outputs / "bench.md").read_text() in told
    measured["sweep"] = {"runs": 1, "workers": 1, "seconds": {"workers": 1, "fresh processes": 2}}
    (outputs / "bench.json").write_text(json.dumps(measured))
    bench(["kernels"], batch_size=3)
    again = json.loads((outputs / "bench.json").read_text())
    assert again["kernels"]["batch_size"] == 3
    assert again["sweep"] == measured["sweep"]


def test_a_damaged_result_is_not_overwritten(outputs: Path) -> None:
    outputs.mkdir()
    (outputs / "bench.json").write_text("{")
    with pytest.raises(RecordError, match=r"bench\.json:1: not JSON .*; delete it to measure anew"):
        bench(["kernels"])
    assert (outputs / "bench.json").read_text() == "{"


@pytest.mark.parametrize(
    "arguments",
    [
        ["trainnig"],
        ["--networks", "resnt"],
        ["--rounds", "x"],
        ["--steps", "0"],
        ["--threads", "-1"],
    ],
)
def test_a_mistake_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments])
    assert stopped.value.code == 2
    assert arguments[-1] in capsys.readouterr().err
