"""Publication: what is written, what is left alone, and that no number can be changed by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fovea.config import paths
from fovea.config.errors import ConfigError, FoveaError, RecordError
from fovea.sweep.plan import PlannedRun, plan_experiment
from fovea.sweep.publication import publish_experiment, stale_files
from fovea.tables.publish import BEGIN, END
from fovea.tables.results import from_text, to_text

PUBLISHED = [
    name
    for name in paths.experiment_names()
    if (folder := paths.experiment(name)) and (folder / "results.csv").is_file()
]
FILES = ("configs.jsonl", "histories.csv", "results.csv", "README.md", "table.png", "table.svg")
TABLE = """
title: Two seeds
rows: {key: model, labels: {mlp: "MLP | 2"}}
columns:
  - {metric: test/accuracy, label: accuracy, format: percent, better: higher}
  - {metric: best(val/accuracy), label: best, format: percent}
"""


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_follows_from_its_results(name: str) -> None:
    """A number changed by hand, or a definition changed since, fails here: publish again."""
    assert stale_files(plan_experiment(name)) == []
    folder = paths.experiment(name)
    assert folder is not None
    assert all((folder / file).is_file() for file in FILES if file != "histories.csv")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Path) -> Path:
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(
        'hydra: {sweeper: {params: {model: "mlp,lenet5", seed: "0,1"}}}\n'
    )
    (folder / "table.yaml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return folder


def finish(run: PlannedRun, accuracy: float) -> None:
    run.folder.write_history([{"epoch": 1, "step": 5, "val/accuracy": accuracy / 2}])
    summary = {"status": "finished", "seconds": 1800.0, "metrics": {"test/accuracy": accuracy}}
    run.folder.write("summary.json", summary)
    git = {"sha": "3f40c4ce2455c3639d32a17452af0a7332e66ec4", "dirty": True}
    hardware = {"processor": "AMD EPYC", "cores": 2, "gpus": []}
    environment = {"fovea": "0.1.0", "git": git, "hardware": hardware}
    run.folder.write("environment.json", environment)


def finished() -> list[PlannedRun]:
    """Plan the experiment, and finish its first three runs."""
    runs = plan_experiment("mine")
    for run, accuracy in zip(runs[:3], (0.81, 0.83, 0.71), strict=True):
        finish(run, accuracy)
    return runs


def test_results_are_written_beside_the_experiment(experiment: Path) -> None:
    runs = finished()
    _, changed = publish_experiment(runs)
    assert [file.name for file in changed] == list(FILES)
    results = from_text((experiment / "results.csv").read_text())
    assert list(results) == [run.folder.id for run in runs[:3]]
    first = results[runs[0].folder.id]
    assert (first.seed, first.overrides) == (0, "model=mlp")
    assert first.values["test/accuracy"].value == 0.81
    assert first.values["best(val/accuracy)"].value == 0.405
    readme = (experiment / "README.md").read_text()
    assert readme.startswith(f"# mine\n\n{BEGIN}\n\n**Two seeds**\n")
    assert readme.endswith(f"{END}\n")
    for told in (
        r"| MLP \| 2 | 82.00 ± 1.41 % (n = 2) | 41.00 ± 0.71 % (n = 2) |",
        "- seeds not run: lenet5 1 of 2",
        "3 runs, 1.50 hours of training in all.",
        "On: AMD EPYC, 2 cores.",
        "Code: 3f40c4ce2455.",
        "3 of the runs are of code with uncommitted changes.",
        "(table.svg)",
    ):
        assert told in readme


def test_histories_are_published_and_kept(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = finished()
    publish_experiment(runs)
    file = experiment / "histories.csv"
    first, second, third = (run.folder.id for run in runs[:3])
    lines = ["id,epoch,step,val/accuracy", f"{first},1,5,0.405"]
    lines += [f"{second},1,5,0.415", f"{third},1,5,0.355"]
    assert file.read_text().splitlines() == lines
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path / "another"))
    publish_experiment(plan_experiment("mine"))
    assert file.read_text().splitlines() == lines
    file.write_text(file.read_text().replace(",1,5,", ",0,5,"))  # as earlier versions counted
    publish_experiment(plan_experiment("mine"))
    assert file.read_text().splitlines() == lines
    file.write_text(lines[0] + f"\n{first},1,5,high\n")
    with pytest.raises(RecordError, match=r"histories.csv: run \w+: val/accuracy is no number"):
        publish_experiment(runs)


def test_publishing_twice_changes_nothing(experiment: Path) -> None:
    runs = finished()
    publish_experiment(runs)
    before = {name: (experiment / name).read_bytes() for name in FILES}
    assert publish_experiment(runs)[1] == []
    assert {name: (experiment / name).read_bytes() for name in FILES} == before
    assert stale_files(runs) == []


def test_a_table_is_filled_from_several_machines(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish_experiment(finished())
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path / "another"))
    runs = plan_experiment("mine")
    finish(runs[3], 0.73)
    finish(runs[0], 0.85)  # trained here too: this machine's record is what it knows best
    _, changed = publish_experiment(runs)
    assert changed
    results = from_text((experiment / "results.csv").read_text())
    assert [each.values["test/accuracy"].value for each in results.values()] == [
        0.85,
        0.83,
        0.71,
        0.73,
    ]
    assert stale_files(runs) == []


def test_what_is_not_planned_any_more_is_dropped(experiment: Path) -> None:
    publish_experiment(finished())
    sweep = experiment / "sweep.yaml"
    sweep.write_text(sweep.read_text().replace("mlp,lenet5", "mlp"))
    runs = plan_experiment("mine")
    assert stale_files(runs) == ["configs.jsonl", "histories.csv", *FILES[2:4], "table.svg"]
    publish_experiment(runs)
    assert len(from_text((experiment / "results.csv").read_text())) == 2


def test_the_authors_text_is_left_alone(experiment: Path) -> None:
    readme = experiment / "README.md"
    readme.write_text(f"# Mine\n\nBefore.\n\n{BEGIN}\nearlier\n{END}\n\nVerdict: it holds.\n")
    runs = finished()
    publish_experiment(runs)
    text = readme.read_text()
    assert text.startswith(f"# Mine\n\nBefore.\n\n{BEGIN}\n\n**Two seeds**\n")
    assert text.endswith(f"{END}\n\nVerdict: it holds.\n")
    assert "earlier" not in text
    readme.write_text(text.replace("Verdict: it holds.", "Verdict: it does not."))
    assert stale_files(runs) == []


def test_a_readme_without_markers_gets_them_at_its_end(experiment: Path) -> None:
    (experiment / "README.md").write_text("# Mine\n\nA question.")
    publish_experiment(finished())
    assert (experiment / "README.md").read_text().startswith(f"# Mine\n\nA question.\n\n{BEGIN}\n")


def test_a_readme_that_is_no_text_is_refused(experiment: Path) -> None:
    (experiment / "README.md").write_bytes(b"# Mine\n\xff\n")
    with pytest.raises(ConfigError, match=r"README\.md:2: byte 0xff is not UTF-8"):
        publish_experiment(finished())
    assert (experiment / "README.md").read_bytes() == b"# Mine\n\xff\n"
    assert not (experiment / "table.svg").exists()


@pytest.mark.parametrize("text", [BEGIN, END, END + BEGIN, BEGIN + END + BEGIN + END])
def test_markers_that_are_no_pair_are_refused(experiment: Path, text: str) -> None:
    (experiment / "README.md").write_text(text)
    with pytest.raises(ConfigError) as refusal:
        publish_experiment(finished())
    assert str(refusal.value) == (
        f"{experiment / 'README.md'}: should have one '{BEGIN}' and after it one '{END}'"
    )
    assert not (experiment / "results.csv").exists()


def test_one_digit_changed_in_the_readme_is_found(experiment: Path) -> None:
    runs = finished()
    publish_experiment(runs)
    readme = experiment / "README.md"
    readme.write_text(readme.read_text().replace("82.00 ±", "83.00 ±"))
    assert stale_files(runs) == ["README.md"]


def test_a_point_moved_in_the_figure_is_found(experiment: Path) -> None:
    runs = finished()
    publish_experiment(runs)
    drawing = experiment / "table.svg"
    text = drawing.read_text()
    found = re.search(r'<use xlink:href="#m\w+" x="([\d.]+)" y="[\d.]+" style="fill: ', text)
    assert found is not None
    point = found[1]
    drawing.write_text(text.replace(f'x="{point}"', f'x="{float(point) + 0.001}"'))
    assert stale_files(runs) == []  # another machine rounds otherwise
    drawing.write_text(text.replace(f'x="{point}"', f'x="{float(point) + 1}"'))
    assert stale_files(runs) == ["table.svg"]
    drawing.write_text(text.replace(">accuracy", ">precision"))
    assert stale_files(runs) == ["table.svg"]


def test_one_digit_changed_in_the_results_is_found(experiment: Path) -> None:
    runs = finished()
    publish_experiment(runs)
    results = experiment / "results.csv"
    text = results.read_text()
    for digit in re.finditer(r"\d", text):
        if digit.start() < text.index("\n"):
            continue
        other = str((int(digit.group()) + 1) % 10)
        results.write_text(text[: digit.start()] + other + text[digit.end() :])
        with pytest.raises(RecordError, match="was changed after it was published"):
            stale_files(runs)


def test_a_definition_changed_since_is_found(experiment: Path) -> None:
    runs = finished()
    publish_experiment(runs)
    (experiment / "table.yaml").write_text(TABLE.replace("Two seeds", "Some seeds"))
    assert stale_files(plan_experiment("mine")) == ["README.md"]


def test_a_forged_seed_does_not_outlast_the_plan(experiment: Path) -> None:
    runs = finished()
    publish_experiment(runs)
    file = experiment / "results.csv"
    forged = [replace(each, seed=7) for each in from_text(file.read_text()).values()]
    file.write_text(to_text(forged, ["best(val/accuracy)"]))  # with digests to match
    assert stale_files(runs) == ["results.csv"]


def test_nothing_finished_is_nothing_to_publish(experiment: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        publish_experiment(plan_experiment("mine"))
    assert str(refusal.value) == (
        f"{experiment / 'results.csv'}: no run is finished to be published; "
        "train some: fovea train experiment=mine"
    )


def test_a_folder_that_cannot_be_written_to_is_told(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fovea.tables.publish.write_atomic", refuse)
    with pytest.raises(FoveaError) as refusal:
        publish_experiment(finished())
    assert str(refusal.value).startswith(f"{experiment}: cannot be written to (Permission denied)")
