"""``table.yaml``: what is read, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fovea.config.errors import ConfigError
from fovea.tables.definition import (
    Column,
    RowKeys,
    TableDefinition,
    load_definition,
)

REFERENCE = "row: a, column: macs, source: s, evidence: P"
WHOLE = """
title: ReLU and tanh
rows: {key: [model.activation], label: activation, labels: {relu: ReLU}}
pivot: {key: data, labels: {cifar10: CIFAR-10}}
choose: {key: optimizer.lr, by: epochs_to(train/accuracy>=.75), better: lower, label: lr}
columns:
  - {metric: epochs_to(train/accuracy >= 0.75), label: epochs, better: lower, ratio: true}
  - {metric: test/accuracy, label: test accuracy, format: percent, digits: 1}
seeds: [0, 1]
baseline: relu
pair: data.split_seed
references:
  - {row: tanh, column: epochs_to(train/accuracy >= 0.75), pivot: cifar10, value: 6, ratio: true,
     source: "Krizhevsky et al. 2012, Fig. 1", evidence: P, differs: another network}
footnotes:
  - {text: cuda-convnet's network, row: relu, column: test/accuracy}
"""


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "table.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_definition(file)
    message = str(refused.value)
    assert message.startswith(f"{file}:")
    assert "\n" not in message
    return message.removeprefix(f"{file}:").removeprefix(" ")


def test_a_definition_is_read(tmp_path: Path) -> None:
    file = tmp_path / "table.yaml"
    assert load_definition(file) == TableDefinition()
    file.write_text("rows: {key: model}\ncolumns: [{metric: macs, label: MACs, format: count}]\n")
    definition = load_definition(file)
    assert definition.rows == RowKeys(key=("model",))
    assert definition.columns == [Column(metric="macs", label="MACs", format="count")]


def test_a_whole_definition_is_read(tmp_path: Path) -> None:
    file = tmp_path / "table.yaml"
    file.write_text(WHOLE)
    definition = load_definition(file)
    assert definition.keys == ("model.activation", "data", "optimizer.lr")
    assert definition.metrics == ("epochs_to(train/accuracy >= 0.75)", "test/accuracy")
    assert definition.baseline == ("relu",)
    assert definition.references[0].differs == ("another network",)
    assert definition.references[0].row == ("tanh",)
    assert definition.references[0].value == (6, 6)
    assert definition.pair == "data.split_seed"


def test_the_example_of_the_guide_is_valid(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    file = tmp_path / "table.yaml"
    file.write_text(guide.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    (reference,) = load_definition(file).references
    assert reference.ratio
    assert reference.comparable


def test_a_value_of_a_key_may_be_a_number(tmp_path: Path) -> None:
    file = tmp_path / "table.yaml"
    file.write_text("rows: {key: model.depth}\nbaseline: 20\n")
    assert load_definition(file).baseline == ("20",)


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
        (
            "columns: [{metric: bset(val/loss), label: x}]",
            "columns.0.metric: 'bset' in 'bset(val/loss)': unknown; did you mean 'best'? "
            "(known: best, last, epochs_to, steps_to, seconds_to)",
        ),
        (
            "columns: [{metric: macs, label: a}, {metric: macs, label: b}]",
            "columns: 'macs' occurs twice",
        ),
        (
            "columns: [{metric: macs, label: MACs, ratio: true}]",
            "columns: a ratio needs a baseline",
        ),
        ("rows: {key: [model, data], label: network}", "rows: label: one for each key"),
        ("title: [", "1: not YAML (did not find expected node content)"),
        (
            "columns: [{metric: test/accuracy, label: a}]\n"
            "references: [{row: a, column: test/acuracy, value: 1, source: s, evidence: P}]",
            "references.0.column: no column 'test/acuracy'; did you mean 'test/accuracy'?",
        ),
        (
            "references: [{row: a, column: macs, value: 1, source: s, evidence: M}]",
            "references.0.evidence: M is from memory, unverified, and never a published value; "
            "find a source, or leave the reference out",
        ),
        (
            "references: [{row: a, column: macs, value: 1, source: s, evidence: Q}]",
            "references.0.evidence: input should be 'P', 'A', 'R', 'T', 'timm', 'S', 'C' or 'seed'",
        ),
        (
            "references: [{row: a, column: macs, value: 1, source: s, evidence: P, ratio: true}]",
            "references.0.ratio: 'macs' shows no ratio",
        ),
        (
            "references: [{row: a, column: macs, value: 1, source: s, evidence: P, pivot: b}]",
            "references.0.pivot: the table has none",
        ),
        (
            "footnotes: [{text: a, column: mac}]",
            "footnotes.0.column: no column 'mac'; did you mean 'macs'?",
        ),
        (
            f"references: [{{{REFERENCE}, value: 1, margin: 0.1}}]",
            "references.0.margin: state why: {value: 0.1, reason: ...}",
        ),
        (
            f"references: [{{{REFERENCE}, value: 1, margin: {{value: 0.1, reason: ''}}}}]",
            "references.0.margin.reason: string should have at least 1 character",
        ),
        (
            f"references: [{{{REFERENCE}, value: [9, 8]}}]",
            "references.0.value: a range is given from its lower end to its upper",
        ),
        (
            f"references: [{{{REFERENCE}, value: six}}]",
            "references.0.value: a number, or a range such as [8, 9]",
        ),
        (
            f"references: [{{{REFERENCE}, value: .nan}}]",
            "references.0.value: a number, or a range such as [8, 9]",
        ),
        (
            f"references: [{{{REFERENCE}, value: [8, 9], bound: true}}]",
            "references.0: value: a range takes neither a margin nor bound; it is its own margin",
        ),
        (
            f"references: [{{{REFERENCE}, value: 1, bound: true}}]",
            "references.0.bound: 'macs' needs a better",
        ),
        (
            f"references: [{{{REFERENCE}, value: 1, aggregate: best, n: 5}}]",
            "references.0.aggregate: 'macs' needs a better",
        ),
        (
            f"references: [{{{REFERENCE}, value: 1, aggregate: best}}]",
            "references.0: n: of how many runs the best is",
        ),
        (
            f"references: [{{{REFERENCE}, value: 1, aggregate: median, std: 0.1}}]",
            "references.0: aggregate: takes neither ratio, bound nor std, which are of means",
        ),
        (
            f"references: [{{{REFERENCE}, value: 0, ratio: true}}]",
            "references.0: ratio: takes a positive value, and no std",
        ),
        ("- a", "input should be a valid dictionary or instance of TableDefinition"),
    ],
)
def test_a_bad_definition_is_named(tmp_path: Path, text: str, reason: str) -> None:
    assert refusal(tmp_path, text).startswith(reason)
