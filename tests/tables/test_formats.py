"""What a table looks like in every format, and that no name can break one."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fovea.config.printing import printable
from fovea.tables import latex as of_latex
from fovea.tables import markdown as of_markdown
from fovea.tables.build import build_table
from fovea.tables.cells import Cell, Repeat
from fovea.tables.definition import TableDefinition
from fovea.tables.figure import figures
from fovea.tables.html import document, fragment
from fovea.tables.latex import latex
from fovea.tables.markdown import markdown
from fovea.tables.numbers import as_json, comma_separated
from fovea.tables.table import Table
from fovea.tables.terminal import print_table
from fovea.tables.writing import write_table

MakeCell = Callable[..., Cell]

NASTY = r"a|b \ {c} $d$ <i>&amp; ~^_x_ # %n `e` “q” \input{z} ±×–−é ü ł Δ σ 中 ' -- [f] *g* ½"
DEFINITION = {
    "title": "Nets [of] two <kinds>",
    "rows": {"key": "model", "labels": {"mlp": "MLP | plain"}},
    "columns": [
        {"metric": "test/accuracy", "label": "accuracy | %", "format": "percent"},
        {"metric": "parameters", "label": "parameters", "format": "count"},
    ],
    "references": [
        {
            "row": "mlp",
            "column": "test/accuracy",
            "value": 0.9,
            "source": "A & B, Table 1",
            "evidence": "P",
        }
    ],
}


def table_of(cell: MakeCell, label: str = "MLP | plain") -> Table:
    """Two runs of a cell whose row has this label; a cell that was never run."""
    definition = TableDefinition.model_validate(
        DEFINITION | {"rows": {"key": "model", "labels": {"mlp": label}}}
    )
    cells = [
        cell({"model": "mlp"}, parameters=[1000, 1000], **{"test/accuracy": [0.9, 0.8]}),
        cell({"model": "vgg"}, parameters=[None]),
    ]
    return build_table(definition, cells)


@pytest.fixture
def table(cell: MakeCell) -> Table:
    return table_of(cell)


class Reader(HTMLParser):
    """Reads the cells of a table, and every attribute of its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open) and "sup" not in self.open:
            self.cells[-1] += data


def read_html(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def markdown_cells(text: str) -> list[str]:
    """Return the text of every cell as a Markdown parser has it."""
    tokens = MarkdownIt().enable("table").parse(text)
    inside = [
        tokens[at + 1] for at, each in enumerate(tokens) if each.type in ("th_open", "td_open")
    ]
    return ["".join(child.content for child in each.children or ()) for each in inside]


def test_markdown(table: Table) -> None:
    assert markdown(table).splitlines()[:6] == [
        r"**Nets \[of\] two \<kinds\>**",
        "",
        r"| model | accuracy \| % | accuracy \| %: published | accuracy \| %: verdict "
        "| parameters | runs |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        r"| MLP \| plain | 85.00 ± 7.07 % (n = 2) | 90.00 %<sup>1</sup> "
        r"| consistent (−5.00 pp \[−68.53, 58.53\]; no n would show it within ±1.00 pp) | 1,000 "
        "| `mlp-0` `mlp-1` |",
        "| vgg | not run |  |  | not run |  |",
    ]
    assert r"- <sup>1</sup> A \& B, Table 1 \[P: seen in the paper itself\]" in markdown(table)


@given(st.text())
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    shown = of_markdown.escape_markdown(text)
    assert "\n" not in shown
    parsed = markdown_cells(f"| {shown} | b |\n| --- | --- |\n| {shown} | d |\n")
    expected = printable(" ".join(text.split()))
    assert parsed == [expected, "b", expected, "d"]


def test_a_nasty_name_in_markdown(cell: MakeCell) -> None:
    assert NASTY in markdown_cells(markdown(table_of(cell, NASTY)))


@given(st.text())
def test_latex_leaves_nothing_that_commands(text: str) -> None:
    shown = of_latex.escape_latex(text)
    known = r"\\(text\w+|ldots|S)\{\}|\\[{}$&#%_]|\$(\\\w+|-|\^\{(2|3|\\circ)\})\$"
    rest = re.sub(known, "", shown)
    assert not set(rest.replace("-{}-", "")) & set('\\{}$&#%^<>|"\n\r')
    assert all(character.isascii() or ord(character) < 0x180 for character in shown)


def pdf_of(tmp_path: Path, body: str, packages: str = "booktabs") -> str:
    """Typeset a body; return what LaTeX said."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex: install texlive-latex-base and texlive-latex-recommended")
    document = f"\\documentclass{{article}}\n\\usepackage{{{packages}}}\n\\begin{{document}}\n"
    (tmp_path / "paper.tex").write_text(f"{document}{body}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
    return said


def test_latex_compiles_as_it_is(table: Table, tmp_path: Path) -> None:
    (tmp_path / "kinds.tex").write_text(latex(table), encoding="utf-8")
    said = pdf_of(tmp_path, "\\input{kinds}")
    assert "Missing character" not in said
    assert "% runs: mlp-0 mlp-1" in latex(table)


def test_a_wide_table_fits_the_line_where_graphicx_is(cell: MakeCell, tmp_path: Path) -> None:
    wide = latex(table_of(cell, "a network with a long name " * 4))
    assert "Overfull" in pdf_of(tmp_path, wide)
    assert "Overfull" not in pdf_of(tmp_path, wide, "booktabs,graphicx")


def test_latex_sets_any_name(cell: MakeCell, tmp_path: Path) -> None:
    letters = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x391, 0x3CA)]))
    names = [NASTY, "[starts with a bracket]", "*", " ".join(letters)]
    tables = [latex(table_of(cell, name)) for name in names]
    said = pdf_of(tmp_path, "\n".join(tables))
    assert "Missing character" not in said


def test_html_stands_alone(table: Table) -> None:
    text = document(table)
    assert text.startswith("<!doctype html>")
    assert "light dark" in text
    reader = read_html(text)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in reader.elements}
    assert "url(" not in text
    assert [given["href"] for tag, given in reader.elements if tag == "a"] == [
        "../runs/mlp-0/",
        "../runs/mlp-1/",
    ]
    assert "85.00 ± 7.07 % (n = 2)" in reader.cells
    measured = [given for tag, given in reader.elements if tag == "td" and "data-runs" in given]
    assert [given["data-runs"] for given in measured] == ["mlp-0 mlp-1"] * 2
    scopes = [given.get("scope") for tag, given in reader.elements if tag == "th"]
    assert scopes == ["col"] * 6 + ["row"] * 2


def test_a_fragment_links_to_nothing_unless_told(table: Table) -> None:
    assert "<a " not in fragment(table)
    assert "<html" not in fragment(table)
    assert 'href="runs/mlp-0/"' in fragment(table, runs="runs")


@given(st.text(alphabet=st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_html_shows_any_text_as_it_is(text: str) -> None:
    definition = TableDefinition.model_validate(
        {"title": text, "rows": {"key": "model"}, "columns": [{"metric": "macs", "label": text}]}
    )
    shown = document(build_table(definition, [Cell({"model": text}, {Repeat(0): "a"}, {})]))
    reader = read_html(shown)
    known = printable(text)
    assert reader.cells == ["model", known, "runs", known, "not run", ""]


def test_csv_has_every_digit(table: Table) -> None:
    rows = list(csv.DictReader(comma_separated(table).splitlines()))
    measured = table.rows[0].entries[0].measurement
    assert measured is not None
    ((_, verdict),) = table.rows[0].entries[0].published
    assert measured.std == pytest.approx(0.1 / math.sqrt(2), rel=1e-12)
    assert rows[0] == {
        "model": "MLP | plain",
        "test/accuracy mean": repr((0.9 + 0.8) / 2),
        "test/accuracy std": repr(measured.std),
        "test/accuracy n": "2",
        "test/accuracy low": repr(measured.low),
        "test/accuracy high": repr(measured.high),
        "test/accuracy verdict": "consistent",
        "test/accuracy verdict difference": repr(verdict.difference),
        "test/accuracy verdict low": repr(verdict.low),
        "test/accuracy verdict high": repr(verdict.high),
        "test/accuracy verdict margin": repr(verdict.margin),
        "test/accuracy verdict needed": "",
        "parameters mean": "1000.0",
        "parameters std": "0.0",
        "parameters n": "2",
        "parameters low": "1000.0",
        "parameters high": "1000.0",
        "runs": "mlp-0 mlp-1",
    }
    nothing = ["", "", "0", "", ""]
    unpublished = [""] * 6
    assert list(rows[1].values()) == ["vgg", *nothing, *unpublished, *nothing, ""]


def test_csv_has_every_verdict_of_a_cell(cell: MakeCell) -> None:
    reference = DEFINITION["references"][0]
    both = [reference | {"value": 0.85}, reference | {"value": 0.851}, reference | {"row": "vgg"}]
    cells = [
        cell({"model": name}, **{"test/accuracy": [0.85, 0.8501, 0.8502]})
        for name in ("mlp", "vgg")
    ]
    definition = DEFINITION | {"columns": DEFINITION["columns"][:1], "references": both}
    table = build_table(TableDefinition.model_validate(definition), cells)
    first, second = csv.DictReader(comma_separated(table).splitlines())
    assert first["test/accuracy verdict"] == "reproduced"
    assert float(first["test/accuracy verdict 2 difference"]) == pytest.approx(-0.0009)
    assert first["test/accuracy verdict 2"] == "reproduced"
    assert (second["test/accuracy verdict"], second["test/accuracy verdict 2"]) == ("differs", "")


def test_json_has_every_number_with_its_run(table: Table) -> None:
    content = json.loads(as_json(table))
    entry = content["rows"][0]["entries"][0]
    assert entry["runs"] == ["mlp-0", "mlp-1"]
    assert entry["readings"] == {
        "0": {"value": 0.9, "censored": False},
        "1": {"value": 0.8, "censored": False},
    }
    assert entry["measurement"]["mean"] == (0.9 + 0.8) / 2
    assert entry["published"][0]["value"] == 0.9
    verdict = entry["published"][0]["verdict"]
    assert verdict["kind"] == "consistent"
    assert verdict["difference"] == pytest.approx(-0.05)
    assert verdict["high"] - verdict["low"] == pytest.approx(2 * 12.706204736432095 * 0.05)
    assert verdict["margin"] == pytest.approx(0.01)
    assert verdict["needed"] is None
    assert content["runs"]["mlp-0"]["seed"] == 0
    assert content["rows"][1]["entries"][0]["measurement"] is None


def test_json_has_a_name_for_what_is_no_number(cell: MakeCell) -> None:
    cells = [cell({"model": "mlp"}, **{"test/accuracy": [math.nan]})]
    definition = TableDefinition.model_validate({"rows": {"key": "model"}})
    entry = json.loads(as_json(build_table(definition, cells)))["rows"][0]["entries"][0]
    assert entry["readings"]["0"]["value"] == "nan"


def test_the_terminal_shows_markup_as_text(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(table)
    printed = capsys.readouterr().out
    assert "Nets [of] two <kinds>" in printed
    assert "MLP | plain   85.00 ± 7.07 % (n = 2)" in printed
    assert "90.00 %¹" in printed
    assert "¹ A & B, Table 1 [P: seen in the paper itself]" in printed


def test_a_figure_is_the_same_every_time(cell: MakeCell) -> None:
    table = table_of(cell, "net $\\alpha$")
    first, second = figures(table), figures(table)
    assert first == second
    assert figures(table, ("svg",))["svg"] == first["svg"]
    assert first["png"].startswith(b"\x89PNG")
    assert first["pdf"].startswith(b"%PDF")
    assert all(len(content) < 100_000 for content in first.values())


def test_a_figure_has_a_point_per_run_and_a_line_per_published_value(table: Table) -> None:
    svg = ET.fromstring(figures(table)["svg"])
    space = "{http://www.w3.org/2000/svg}"
    words = ["".join(each.itertext()) for each in svg.iter(f"{space}text")]
    assert {"MLP | plain", "vgg", "accuracy | % (%)", "published", "a run"} <= set(words)
    assert "parameters" not in words  # counts have no spread to be seen
    points = next(
        each for each in svg.iter(f"{space}g") if each.get("id", "").startswith("PathCollection_1")
    )
    assert len(list(points.iter(f"{space}use"))) == 2


def test_a_figure_of_counts_alone_and_of_nothing(cell: MakeCell) -> None:
    column = {"metric": "macs", "label": "MACs", "format": "count"}
    definition = TableDefinition.model_validate({"rows": {"key": "model"}, "columns": [column]})
    for macs in ([5], [None]):
        drawn = figures(build_table(definition, [cell({"model": "mlp"}, macs=macs)]))
        assert b"MACs" in drawn["svg"]


def test_files_are_named_after_the_table(table: Table, tmp_path: Path) -> None:
    files = write_table(table, tmp_path / "tables", "kinds")
    kinds = ["md", "tex", "html", "csv", "json", "png", "svg", "pdf"]
    assert files == [tmp_path / "tables" / f"kinds.{kind}" for kind in kinds]
    assert files[0].read_text() == markdown(table)
    assert files[3].read_bytes() == comma_separated(table).encode()
