"""The report as a file: what is in it, and what cannot get out of place."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import record

from fovea import cli
from fovea.problems.predictions import Chart, Predictions, RecordedRun
from fovea.records import all_runs
from fovea.report import runs
from fovea.report.entries import reported_runs
from fovea.report.page import page

WICKED = "</script><img src=x onerror=alert(1)>\u2028\"'&{{x}}"


def written(outputs: Path, folder: Path | None = None, **tables: str) -> str:
    entries = reported_runs(all_runs(outputs))
    return page("All runs", entries, tables, folder or outputs / "reports")


def charts(html: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', html, re.S)
    return json.loads(text)


class Tags(HTMLParser):
    """The tags of a page, and the rows of its tables as text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self._open = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data


def test_a_line_per_run(outputs: Path) -> None:
    record(outputs, "a", "model=mlp", accuracy=0.91234)
    record(outputs, "b", "model=lenet5", accuracy=None)
    record(outputs, "c", "model=lenet5", "seed=1", status="failed")
    (record(outputs, "d").path / "summary.json").write_text("{")
    head, *lines = Tags(written(outputs)).rows
    assert head[:7] == ["run", "status", "model", "seed", "epochs", "test/accuracy", "val/accuracy"]
    found = {line[0]: [cell.strip() for cell in line[1:6]] for line in lines}
    assert found["a"] == ["finished", "mlp", "0", "4", "91.23%"]
    assert found["b"] == ["diverged", "lenet5", "0", "4", "NaN"]
    assert found["c"] == ["failedDataError: no such file", "lenet5", "1", "2 of 4", "–"]
    assert found["d"][0].startswith("damaged")
    assert found["d"][1:] == ["–", "–", "0 of ?", "–"]


def test_names_are_text_wherever_they_stand(outputs: Path) -> None:
    run = record(outputs, "a", experiment=WICKED, per_class_accuracy={WICKED: 0.5})
    run.write("data.json", {"classes": [WICKED, "b", "c"], "fingerprint": "f"})
    run.write_history([{"epoch": 0, "step": 1, f"val/{WICKED}": 1.0}])
    record(outputs, "b", "seed=1", status="failed", error=WICKED)
    html = written(outputs)
    tags = Tags(html).tags
    assert not [tag for tag, _ in tags if tag == "img"]
    assert sum(tag == "script" for tag, _ in tags) == 3
    drawn = charts(html)
    (row,) = drawn["chart-2"]["datasets"]["rows"]
    assert row["names"] == [WICKED]
    assert drawn["curves"]["datasets"]["rows"][0]["y"] == {f"val/{WICKED}": [1.0]}
    assert WICKED in [attributes.get("value") for tag, attributes in tags if tag == "option"] or (
        f"val/{WICKED}" in [attributes.get("value") for _, attributes in tags]
    )


def test_nothing_is_loaded_from_elsewhere(outputs: Path) -> None:
    record(outputs, "a")
    tags = Tags(written(outputs)).tags
    for tag, attributes in tags:
        assert "src" not in attributes
        assert tag != "link" or attributes["href"] == "data:,"
    (policy,) = (a["content"] for t, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")


def test_links_are_relative_to_the_file(outputs: Path, tmp_path: Path) -> None:
    run = record(outputs, "a b%c")
    for folder in (outputs / "reports", tmp_path / "else where"):
        links = [
            attributes["href"]
            for tag, attributes in Tags(written(outputs, folder)).tags
            if tag == "a"
        ]
        folder.mkdir(parents=True)
        (link,) = links
        assert link is not None
        assert "a%20b%25c" in link
        assert (folder / link.replace("%20", " ").replace("%25", "%")).resolve() == run.path


def test_a_hundred_runs_of_a_hundred_classes_stay_small(outputs: Path) -> None:
    for index in range(100):
        model, seed = ("mlp", "lenet5", "resnet", "vgg")[index % 4], index // 4
        accuracy = 0.5 + index / 1000
        overrides = (f"model={model}", f"seed={seed}")
        record(outputs, f"{index:012x}", *overrides, accuracy=accuracy, epochs=150, classes=100)
    html = written(outputs)
    assert len(html.encode()) < 3_000_000
    assert charts(html).keys() == {"curves", "parallel", "chart-1", "chart-2"}
    assert re.findall(r'id="chart-\d" role="img" aria-label="(.*?)"', html) == [
        "Confusion matrix",
        "Accuracy on every class",
    ]


def test_what_there_is_nothing_of_is_left_out(outputs: Path) -> None:
    record(outputs, "a", status="failed", epochs=1)
    html = written(outputs)
    assert charts(html) == {}
    assert "Learning curves" not in html


def test_a_paper_table_is_put_in_as_it_is(outputs: Path) -> None:
    record(outputs, "a")
    assert "<table><tr><td>of the paper</td></tr></table>" in written(
        outputs, quickstart="<table><tr><td>of the paper</td></tr></table>"
    )


class Errors(Predictions):
    """Of a problem that draws its metric over its runs, and nothing of single cells."""

    def metrics(self) -> dict[str, float]:
        return {}

    @classmethod
    def charts(cls, runs: Sequence[RecordedRun]) -> list[Chart]:
        rows = [{"run": run.id, "error": run.summary["metrics"]["test/mae"]} for run in runs]
        specification = {
            "data": {"name": "rows"},
            "mark": "bar",
            "encoding": {"x": {"field": "run"}, "y": {"field": "error"}},
            "transform": [{"calculate": "1 - datum.error", "as": "rest"}],
        }
        empty = Chart("Nothing", "of nothing", "", specification, [])
        return [Chart("Errors", "Error of <every> run", "Test part.", specification, rows), empty]


def test_a_problem_draws_charts_of_its_own(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "predictions_class", lambda _: Errors)
    record(outputs, "a", metrics={"test/mae": 0.5})
    html = written(outputs)
    drawn = charts(html)["chart-1"]
    assert drawn["datasets"] == {"rows": [{"run": "a", "error": 0.5}]}
    assert drawn["params"] == [{"name": "shown", "value": None}]  # the page's filter
    assert [list(each) for each in drawn["transform"]] == [["filter"], ["calculate", "as"]]
    assert re.findall("^  <h2>(.*?)</h2>", html, re.M) == ["Runs", "Learning curves", "Errors"]
    assert 'aria-label="Error of &lt;every&gt; run"' in html
    assert 'id="cell-1"' not in html


def report(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", *arguments])
    if ended.value.code:
        raise ended.value


def test_the_command_writes_an_experiments_report(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report("quickstart")
    file = outputs / "reports" / "quickstart.html"
    assert capsys.readouterr().out == f"{file}\n"
    html = file.read_text(encoding="utf-8")
    rows = Tags(html).rows
    assert [row[0] for row in rows[1:4]] == ["MLP", "LeNet-5", "ResNet-20"]
    assert sum(row[1] == "published" for row in rows[5:]) == 9
    assert "Hyper-parameters" in html
    assert "Learning curves" not in html


def test_the_command_writes_where_it_is_told(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(outputs, "a")
    report("--all")
    assert (outputs / "reports" / "runs.html").is_file()
    report("--all", "--out", str(tmp_path / "mine.html"))
    assert (tmp_path / "mine.html").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        report("--all", "--out", str(tmp_path / "file" / "mine.html"))
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name experiments, or give --all for every recorded run"),
        (["quickstart", "--all"], "name experiments, or give --all for every recorded run"),
        (["--all"], "no runs in"),
        (["quickstrat"], "no experiment 'quickstrat'; did you mean 'quickstart'?"),
    ],
)
def test_a_report_of_nothing_is_refused(
    outputs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as refusal:
        report(*arguments)
    assert refusal.value.code == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_the_report_of_all_runs_has_the_tables_of_their_experiments(outputs: Path) -> None:
    record(outputs, "a", experiment="quickstart")
    record(outputs, "b", "seed=1", experiment="gone")
    (record(outputs, "c", "seed=2").path / "summary.json").write_text("{")
    report("--all")
    html = (outputs / "reports" / "runs.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", html)[:2] == ["quickstart", "Runs"]
