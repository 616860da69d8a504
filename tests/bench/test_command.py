"""``fovea bench``: what it keeps, and what it refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from fovea.bench import PARTS
from fovea.cli import main
from fovea.commands.bench import _read, run
from fovea.config.errors import RecordError

ELSEWHERE = {
    "machine": {
        "hardware": {"gpus": [], "processor": "abacus", "cores": 2},
        "packages": {"torch": "2.15.0", "pytorch-lightning": "2.6.6"},
        "git": {"sha": "0123456789abcdef", "dirty": False},
        "threads": 2,
    },
    "date": "2026-11-21",
}
SWEEP = {"runs": 1, "workers": 1, "seconds": {"workers": 1, "fresh processes": 2}}
LAYER = [{"layer": "2→2", "flops_per_second": {"forward": 1e9}}]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path))
    monkeypatch.setattr("fovea.bench.kernels.LAYERS", ((2, 2, 4, 3, 1),))
    return tmp_path / "bench"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of published results, which are another machine's."""
    folder = tmp_path / "published"
    folder.mkdir()
    results = {
        "kernels": {"batch_size": 7, "dtype": "bfloat16", "layers": LAYER} | ELSEWHERE,
        "sweep": SWEEP | ELSEWHERE,
        "profile": {
            "networks": {
                "resnet": {"ms_per_step": {"other": 9.0}} | ELSEWHERE,
                "conv_net": {"ms_per_step": {"other": 8.0}} | ELSEWHERE,
            }
        },
    }
    (folder / "bench.json").write_text(json.dumps(results))
    monkeypatch.setattr("fovea.commands.bench.paths.experiment", lambda name: folder)
    return folder


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
    printed = capsys.readouterr().out
    assert "## Convolutions one by one" in printed
    assert (outputs / "bench.md").read_text() in printed
    measured["sweep"] = SWEEP | ELSEWHERE
    (outputs / "bench.json").write_text(json.dumps(measured))
    bench(["kernels"], batch_size=3)
    again = json.loads((outputs / "bench.json").read_text())
    assert again["kernels"]["batch_size"] == 3
    assert again["sweep"] == measured["sweep"]


def test_what_is_published_is_no_result_of_this_machine(outputs: Path, published: Path) -> None:
    bench(["kernels"])
    assert json.loads((outputs / "bench.json").read_text()).keys() == {"kernels"}
    assert "abacus" not in (outputs / "bench.md").read_text()


def test_published_parts_and_networks_keep_their_machine(
    outputs: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.commands.bench.measure_profile", lambda *_: {"other": 1.0})
    monkeypatch.setattr("fovea.commands.bench.configure", lambda *_, **__: {})
    bench(["kernels"])
    bench(["profile"], publish=True)
    results = json.loads((published / "bench.json").read_text())
    assert results["kernels"]["batch_size"] == 2
    assert results["kernels"]["machine"] != ELSEWHERE["machine"]
    assert results["sweep"] == SWEEP | ELSEWHERE
    networks = results["profile"]["networks"]
    assert networks["conv_net"] == {"ms_per_step": {"other": 8.0}} | ELSEWHERE
    assert networks["resnet"]["ms_per_step"] == {"other": 1.0}
    assert networks["resnet"]["machine"] == results["kernels"]["machine"]
    report = (published / "README.md").read_text()
    assert report.count("Measured on abacus") == 2
    assert report.count("Measured on ") == 4


def test_what_does_not_say_where_it_was_measured_is_left_out(outputs: Path) -> None:
    outputs.mkdir()
    networks = {"networks": {"resnet": {"other": 9.0}}}
    old = {"sweep": SWEEP, "profile": networks | ELSEWHERE, "startup": ELSEWHERE}
    (outputs / "bench.json").write_text(json.dumps(old))
    assert _read(outputs / "bench.json") == {"startup": ELSEWHERE}


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


def test_without_a_part_all_but_accuracy_are_measured(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("fovea.commands.bench._measure", lambda part, *_: asked.append(part) or [])
    with pytest.raises(SystemExit, match="0"):
        main(["bench"])
    assert asked == list(PARTS[:-1])
