"""Other people's names, classes and files, as terminals, logs and spreadsheets show them."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.table import Table

import fovea
from fovea import cli
from fovea.config.console import console
from fovea.config.errors import ConfigError
from fovea.config.printing import PrintableFormatter, printable, say, spreadsheet_cell
from fovea.problems.classification.predictions import ClassPredictions
from fovea.records import RunFolder, run_folder
from fovea.tables.html import escape_html as html
from fovea.tables.markdown import escape_markdown as markdown
from fovea.tables.results import Result, from_text, to_text
from fovea.training import predict as prediction

Predicted = tuple[str, list[list[str]], list[dict[str, object]]]  # printed, CSV, JSON

# Sets the window's title, clears the screen, rings, turns text round; C1's CSI; no UTF-8
HOSTILE = "a\x1b]0;owned\x07\x1b[2J\r\u202eb\x9b31m\udcff"
SHOWN = r"a\x1b]0;owned\x07\x1b[2J\r\u202eb\x9b31m\udcff"


def fovea_says(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return all that a command prints."""
    with pytest.raises(SystemExit):
        cli.main(arguments)
    captured = capsys.readouterr()
    return captured.out + captured.err


def obeyed(text: str) -> set[str]:
    """Return the characters of a text that a terminal may obey."""
    return {each for each in text if not each.isprintable() and each not in "\n\u00a0"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Grüße, 猫, naïve, می‌خواهم, 👩‍🔬", "Grüße, 猫, naïve, می‌خواهم, 👩‍🔬"),
        (r"C:\new [bold]", r"C:\new [bold]"),
    ],
)
def test_only_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_line_and_cell_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    console().print(table)
    console().print(HOSTILE)
    say(Path(HOSTILE))
    say(HOSTILE, stderr=True)
    captured = capsys.readouterr()
    assert not obeyed(captured.out + captured.err)
    assert captured.out.count(r"\x1b]0;owned") == 5


def test_names_are_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("class :dog:")
    assert capsys.readouterr().out == "class :dog:\n"


def test_what_fovea_prints_goes_through_one_place() -> None:
    root = Path(fovea.__file__).parent
    files = [*root.rglob("*.py"), *root.with_name("hydra_plugins").rglob("*.py")]
    printing = {
        file.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    }
    assert printing == {
        "printing.py",
        "completion.py",
        "bare.py",
    }


def test_log_records() -> None:
    record = logging.LogRecord("fovea", logging.INFO, "", 0, "left out: %s", (HOSTILE,), None)
    assert PrintableFormatter("%(message)s").format(record) == f"left out: {SHOWN}"


def test_a_mistake_that_quotes_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ConfigError(f"{HOSTILE}: unknown key")

    monkeypatch.setattr("fovea.commands.list.run", refuse)
    assert fovea_says(capsys, "list") == f"fovea: {SHOWN}: unknown key\n"


def recorded(outputs: Path, name: str) -> RunFolder:
    """Leave the record of a finished run all of whose names are hostile."""
    run = run_folder(outputs, name)
    text = HOSTILE.removesuffix("\udcff")  # a config has none: overrides and folders refuse it
    run.write("config.yaml", {"model": {"name": text + name}, "seed": 0})
    run.write("data.json", {"classes": [HOSTILE, "=1+1"]})
    summary = {"choices": {"model": HOSTILE, "data": HOSTILE}, "experiment": HOSTILE, "seed": 0}
    metrics = {f"test/{HOSTILE}": 0.5}
    run.write("summary.json", {"status": "finished", "name": HOSTILE, "metrics": metrics} | summary)
    return run


@pytest.mark.parametrize("command", [["runs"], ["compare", "a", "b"], ["runs", "--json"]])
def test_commands_on_records(
    outputs: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    recorded(outputs, "a")
    recorded(outputs, "b")
    said = fovea_says(capsys, *command)
    assert not obeyed(said)
    assert "owned" in said


def test_a_run_whose_folder_is_named_like_markup(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(outputs, "[bold]a[")
    recorded(outputs, "b]")
    said = fovea_says(capsys, "compare", "[bold]a[", "b]")
    assert "[bold]a[" in said.splitlines()[1]


@pytest.fixture
def predicted(
    outputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Predicted:
    """What ``fovea predict`` prints and writes of two images, the second of which gives NaN."""
    recorded(outputs, "a")
    images = [tmp_path / f"={HOSTILE}.png", tmp_path / "two.png"]
    for image in images:
        Image.new("L", (2, 2)).save(image)
    shares = np.array([[0.25, 0.75], [np.nan, np.nan]], np.float32)
    pictures = [np.zeros((2, 2, 1), np.uint8)] * 2
    rows = {"prediction": np.array([1, 0]), "probabilities": shares}
    made = ClassPredictions(rows, {"classes": ("$\\frac$", f"=2*{HOSTILE}")})
    answer = prediction.Predicted([each.name for each in images], pictures, made)
    monkeypatch.setattr(prediction, "predict", lambda *_, **__: answer)
    monkeypatch.chdir(tmp_path)
    said = fovea_says(capsys, "predict", "a", *(each.name for each in images), "--out", "out")
    rows = list(csv.reader(io.StringIO(Path("out/predictions.csv").read_text(encoding="utf-8"))))
    content = Path("out/predictions.json").read_text(encoding="utf-8")
    kept = json.loads(content, parse_constant=lambda constant: pytest.fail(constant))
    assert Path("out/predictions.png").is_file()
    return said, rows, kept["predictions"]


def test_predictions_are_neither_obeyed_nor_computed(predicted: Predicted) -> None:
    said, rows, kept = predicted
    assert not obeyed(said)
    assert rows[0] == ["image", "class", "probability", "$\\frac$", f"'=2*{SHOWN}"]
    assert rows[1] == [f"'={SHOWN}.png", f"'=2*{SHOWN}", "0.75", "0.250000", "0.750000"]
    assert kept[0]["image"] == f"={HOSTILE}.png"  # another program gets the names as they are


def test_a_network_that_gives_no_numbers_has_no_prediction(predicted: Predicted) -> None:
    said, rows, kept = predicted
    assert rows[2] == ["two.png", "no prediction", "", "", ""]
    assert kept[1] == {"image": "two.png", "class": "no prediction", "probabilities": None}
    (line,) = (line for line in said.splitlines() if line.lstrip().startswith("two.png"))
    assert line.split() == ["two.png", "no", "prediction", "–"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        (-0.5, -0.5),
        ("relu", "relu"),
    ],
)
def test_a_spreadsheet_computes_nothing(value: object, cell: object) -> None:
    assert spreadsheet_cell(value) == cell


def test_published_results_are_read_as_they_were_written() -> None:
    result = Result("a", 0, {}, notes=("'quoted",), arm="=1+1", overrides="+x=1", recorded=False)
    text = to_text([result], [])
    assert "'=1+1" in text
    assert "'+x=1" in text
    (read,) = from_text(text).values()
    assert (read.notes, read.arm, read.overrides) == (("'quoted",), "=1+1", "+x=1")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
@pytest.mark.parametrize("command", [["list", "data"], ["status", "quickstart"], ["runs"]])
def test_an_output_that_is_not_utf_8(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, command: list[str]
) -> None:
    run = run_folder(outputs, "a")
    run.write("summary.json", {"status": "finished", "choices": {"model": "Größe–猫"}})
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert not ended.value.code
    text = written.getvalue().decode(encoding)
    assert command != ["runs"] or ("Gr" in text and "?" in text)
    assert len(text.splitlines()) > 1


def test_markup_escapes_them_too() -> None:
    assert not obeyed(markdown(HOSTILE) + html(HOSTILE))
    assert markdown("\x1b") == r"\\x1b"
