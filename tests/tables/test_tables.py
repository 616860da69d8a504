"""Tables: statistics by hand, what a cell shows, and the files."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from fovea.config.errors import ConfigError
from fovea.records import RunFolder, run_folder
from fovea.tables.definition import Column, Format, Rows, TableDefinition, load_definition
from fovea.tables.render import comma_separated, markdown, print_table, write_table
from fovea.tables.statistics import Measurement, measure
from fovea.tables.table import Cell, Table, build_table, shown

ACCURACY = Column(metric="test/accuracy", label="accuracy | %", format="percent")
PARAMETERS = Column(metric="parameters", label="parameters", format="count")


def run(outputs: Path, name: str, accuracy: float, status: str = "finished") -> RunFolder:
    """Leave the record of a run with 1,000 parameters."""
    folder = run_folder(outputs, name)
    metrics = {"test/accuracy": accuracy}
    folder.write("summary.json", {"status": status, "metrics": metrics, "parameters": 1000})
    return folder


@pytest.fixture
def table(outputs: Path) -> Table:
    """Two runs of a cell and a failed one; a cell that was never run."""
    definition = TableDefinition(
        title="Nets [of] two kinds",
        rows=Rows(key="model", labels={"mlp": "MLP | plain"}),
        columns=[ACCURACY, PARAMETERS],
    )
    seeds = [run(outputs, "a", 0.9), run(outputs, "b", 0.8), run(outputs, "c", 0.1, "failed")]
    return build_table(
        definition,
        [
            Cell({"model": "mlp"}, seeds),
            Cell({"model": "vgg"}, [run_folder(outputs, "d")]),
        ],
    )


def test_mean_and_sample_deviation_by_hand() -> None:
    # mean 4; squares of −2, 0, 0, 2 are 8 in sum; 8 / 3
    assert measure([2, 4, 4, 6]) == Measurement(mean=4, std=math.sqrt(8 / 3), n=4)
    assert measure([0.5]) == Measurement(mean=0.5, std=None, n=1)
    assert measure([]) is None


def test_a_diverged_run_is_not_averaged_away() -> None:
    measured = measure([math.nan, 1.0])
    assert measured is not None
    assert math.isnan(measured.mean)
    assert measured.std is not None
    assert math.isnan(measured.std)
    assert shown(measured, "percent") == "nan ± nan % (n = 2)"


@pytest.mark.parametrize(
    ("style", "several", "one"),
    [
        ("percent", "98.77 ± 1.23 % (n = 3)", "98.77 % (n = 1)"),
        ("number", "0.9877 ± 0.0123 (n = 3)", "0.9877 (n = 1)"),
        ("count", "1", "1"),
        ("seconds", "1.0", "1.0"),
    ],
)
def test_a_measurement_as_shown(style: Format, several: str, one: str) -> None:
    assert shown(Measurement(0.98765, 0.01234, 3), style) == several
    assert shown(Measurement(0.98765, None, 1), style) == one
    assert shown(None, style) == "not run"


def test_counts_have_thousands() -> None:
    assert shown(Measurement(12_345_678, 0.0, 3), "count") == "12,345,678"


def test_only_finished_runs_are_measured(table: Table) -> None:
    mlp, vgg = table.rows
    assert mlp.runs == ("a", "b")
    assert mlp.measured == (measure([0.9, 0.8]), Measurement(1000, 0, 2))
    assert vgg.runs == ()
    assert vgg.measured == (None, None)


def test_without_a_key_a_cell_is_told_by_its_values(outputs: Path) -> None:
    cell = Cell({"model": "mlp", "optimizer.lr": "0.1"}, [])
    (row,) = build_table(TableDefinition(), [cell]).rows
    assert row.label == "model=mlp optimizer.lr=0.1"


def test_markdown_escapes_what_would_end_a_cell(table: Table) -> None:
    assert markdown(table) == (
        "**Nets [of] two kinds**\n"
        "\n"
        "| model | accuracy \\| % | parameters | runs |\n"
        "| --- | ---: | ---: | --- |\n"
        "| MLP \\| plain | 85.00 ± 7.07 % (n = 2) | 1,000 | `a` `b` |\n"
        "| vgg | not run | not run |  |\n"
    )


def test_csv_has_every_digit(table: Table) -> None:
    rows = list(csv.DictReader(comma_separated(table).splitlines()))
    deviation = measure([0.9, 0.8]).std  # pyright: ignore[reportOptionalMemberAccess]
    assert deviation == pytest.approx(0.1 / math.sqrt(2), rel=1e-12)
    assert rows[0] == {
        "model": "MLP | plain",
        "test/accuracy mean": repr((0.9 + 0.8) / 2),
        "test/accuracy std": repr(deviation),
        "test/accuracy n": "2",
        "parameters mean": "1000.0",
        "parameters std": "0.0",
        "parameters n": "2",
        "runs": "a b",
    }
    assert list(rows[1].values()) == ["vgg", "", "", "0", "", "", "0", ""]


def test_the_terminal_shows_markup_as_text(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(table)
    printed = capsys.readouterr().out
    assert "Nets [of] two kinds" in printed
    assert "MLP | plain   85.00 ± 7.07 % (n = 2)        1,000" in printed


def test_files_are_named_after_the_table(table: Table, tmp_path: Path) -> None:
    files = write_table(table, tmp_path / "tables", "kinds")
    assert files == [tmp_path / "tables" / "kinds.md", tmp_path / "tables" / "kinds.csv"]
    assert files[0].read_text() == markdown(table)
    assert files[1].read_bytes() == comma_separated(table).encode()


def test_a_definition_is_read(tmp_path: Path) -> None:
    file = tmp_path / "table.yaml"
    assert load_definition(file) == TableDefinition()
    file.write_text("rows: {key: model}\ncolumns: [{metric: macs, label: MACs, format: count}]\n")
    definition = load_definition(file)
    assert definition.rows == Rows(key="model")
    assert definition.columns == [Column(metric="macs", label="MACs", format="count")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("columns: []", "columns: list should have at least 1 item after validation, not 0"),
        ("colums: []", "colums: extra inputs are not permitted"),
        ("columns: [{metric: macs}]", "columns.0.label: field required"),
        (
            "columns: [{metric: macs, label: MACs, format: pct}]",
            "columns.0.format: input should be 'percent', 'count', 'seconds' or 'number'",
        ),
        ("title: [", "not YAML (while parsing"),
    ],
)
def test_a_bad_definition_is_named(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "table.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_definition(file)
    assert str(refusal.value).startswith(f"{file}: {reason}")
    assert "\n" not in str(refusal.value)


def test_notes_say_which_rows_depart_from_the_protocol(outputs: Path) -> None:
    def cell(name: str, **more: object) -> Cell:
        folder = run(outputs, name, 0.9)
        folder.write("summary.json", folder.summary | more)
        return Cell({"model": name}, [folder])

    on_test = "validated on the test part"
    cells = [cell("mlp", protocol=[on_test]), cell("vgg"), cell("cnn", protocol=[on_test])]
    cells.append(cell("net", skipped=2))
    table = build_table(TableDefinition(rows=Rows(key="model"), columns=[ACCURACY]), cells)
    assert table.notes == (
        "mlp, cnn: validated on the test part",
        "net: 2 samples that could not be read were left out",
    )
    assert markdown(table).endswith(f"\n\n- {table.notes[0]}\n- {table.notes[1]}\n")


def test_a_diverged_metric_is_shown_as_no_number(outputs: Path) -> None:
    folders = [run(outputs, "a", 0.9), run(outputs, "b", math.nan)]
    table = build_table(TableDefinition(columns=[ACCURACY]), [Cell({"model": "mlp"}, folders)])
    assert shown(table.rows[0].measured[0], "percent") == "nan ± nan % (n = 2)"
